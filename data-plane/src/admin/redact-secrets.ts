import type { JsonValue } from '@heddle/xds-protos';

/** Fields whose text and bytes nobody may see. Source: those that Envoy's protos mark as sensitive. */
const SENSITIVE: ReadonlySet<string> = new Set([
  'private_key',
  'private_key_provider',
  'pkcs12',
  'password',
  'session_ticket_keys',
  'generic_secret',
]);
const REDACTED = '[redacted]';
/** What stands in the place of bytes, which are base64 in JSON. */
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** A configuration as JSON without what is secret in it: each of its texts is replaced, as in Envoy's dumps. */
export function redactSecrets(value: JsonValue): JsonValue {
  return walk(value, false);
}

function walk(value: JsonValue, isSecret: boolean, field = ''): JsonValue {
  if (typeof value === 'string') {
    if (!isSecret || field === '@type') return value;
    return field.endsWith('bytes') || field === 'value' ? REDACTED_BYTES : REDACTED;
  }
  if (Array.isArray(value)) return value.map((one) => walk(one, isSecret, field));
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, JsonValue> = {};
  for (const [name, inner] of Object.entries(value)) {
    Object.defineProperty(copy, name, {
      value: walk(inner, isSecret || SENSITIVE.has(name), name),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}
