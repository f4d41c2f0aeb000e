/** Why bytes are not a message that may be passed on. */
export interface ParseFailure {
  /** What a client is answered; a server's failure becomes a protocol error of the stream instead. */
  readonly status: number;
  /** Envoy's code detail. */
  readonly details: string;
  /** Plain English. */
  readonly reason: string;
  /** Text of the answer, where that is not the status in words. */
  readonly body?: string;
}

/** A failure with Envoy's general detail of its HTTP/1 codec. */
export function badRequest(reason: string, details = 'http1.codec_error'): ParseFailure {
  return { status: 400, details, reason };
}

/** The head or the trailers are above a limit. */
export function tooLarge(reason: string, details = 'http1.headers_too_large'): ParseFailure {
  return { status: 431, details, reason };
}
