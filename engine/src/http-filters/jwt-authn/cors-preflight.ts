import type { RequestHead } from '../../http/message-head.js';

/** Whether a request asks whether another one would be allowed. Browsers send no credentials with it. */
export function isCorsPreflight({ method, headers }: RequestHead): boolean {
  return (
    method === 'OPTIONS' &&
    (headers.get('origin') ?? '') !== '' &&
    (headers.get('access-control-request-method') ?? '') !== ''
  );
}
