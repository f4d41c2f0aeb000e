import { HiddenText } from '@heddle/engine';
import type { Secret } from '../../tls/secret.js';
import type { PlainSecret } from './messages.js';

/** A secret in the form in which it can be handed to another thread, and nowhere else. */
export function plainSecret(secret: Secret): PlainSecret {
  if (secret.kind === 'trust') return { ...secret };
  const { chainPem, privateKey, password } = secret;
  return { kind: 'certificate', chainPem, privateKey: privateKey.reveal(), password: password?.reveal() };
}

export function secretOf(plain: PlainSecret): Secret {
  if (plain.kind === 'trust') return plain;
  const { chainPem, privateKey, password } = plain;
  return {
    kind: 'certificate',
    chainPem,
    privateKey: new HiddenText(privateKey),
    password: password === undefined ? undefined : new HiddenText(password),
  };
}
