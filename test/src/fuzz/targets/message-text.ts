import type { HeaderMap } from '@heddle/engine';
import type { RecordedRequest, RecordedResponse } from '@heddle/data-plane/testing';

/** Fields as they were understood, one after the other. */
export function fieldsText(headers: HeaderMap | undefined): string {
  if (headers === undefined) return '-';
  return headers.names.map((name, i) => `${name}=${JSON.stringify(headers.values[i])}`).join(' ');
}

/** What a request was understood as, so far as it came. */
export function requestText({ head, body, trailers, ended, reset }: RecordedRequest): string {
  const line = head === undefined ? 'none' : `${head.method} ${head.path} ${head.authority} ${head.scheme}`;
  const upgrade = head?.upgrade ?? '';
  return [
    `${line} ${upgrade}`,
    fieldsText(head?.headers),
    bodyText(body, reset !== undefined),
    fieldsText(trailers),
    ended ? 'ended' : 'open',
    reset === undefined ? '' : `${reset.reason} ${reset.details}`,
  ].join(' | ');
}

export function responseText({
  head,
  informational,
  body,
  trailers,
  ended,
  reset,
}: RecordedResponse): string {
  return [
    ...informational.map(({ status, headers }) => `${status} ${fieldsText(headers)}`),
    head === undefined ? 'none' : `${head.status} ${head.upgrade} ${fieldsText(head.headers)}`,
    bodyText(body, reset !== undefined),
    fieldsText(trailers),
    ended ? 'ended' : 'open',
    reset === undefined ? '' : `${reset.reason} ${reset.details}`,
  ].join(' | ');
}

/** How much of a body came before its message failed depends on how it came. */
function bodyText(body: Buffer, isLost: boolean): string {
  return isLost ? 'lost' : JSON.stringify(body.toString('latin1'));
}
