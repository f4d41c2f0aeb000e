import {
  encodeGrpcMessage,
  grpcStatusOf,
  isGrpcContentType,
  LOCAL_REPLY,
  type HeaderMap,
  type RequestHead,
  type ResponseHead,
} from '@heddle/engine';
import { giveBack } from '../../../codec/lent-memory.js';
import { FilterStatus, type FilterHandle, type StreamFilter } from '../../filter.js';
import { Base64Decoder } from './base64-decoder.js';
import { MessageTextEncoder } from './message-text-encoder.js';
import { trailersFrame } from './trailers-frame.js';

const GRPC = 'application/grpc';
const WEB = 'application/grpc-web';
const WEB_PROTO = 'application/grpc-web+proto';
const WEB_TEXT = 'application/grpc-web-text';
const WEB_TEXT_PROTO = 'application/grpc-web-text+proto';
const NOTHING = Buffer.alloc(0);
/** So much of an answer that is no gRPC is told to the client. Source: Envoy's MAX_BUFFERED_PLAINTEXT_LENGTH. */
const MOST_TOLD_BYTES = 16 * 1024;

/**
 * Makes gRPC of a request by gRPC-Web, and gRPC-Web of its answer: trailers become the end of the body, and each is base64 where
 * that is wanted. An answer that is no gRPC, a local reply among them, is told of in its head.
 *
 * Source: envoy.extensions.filters.http.grpc_web.v3.GrpcWeb; gRPC-Web.
 */
export class GrpcWebFilter implements StreamFilter {
  readonly #handle: FilterHandle;
  #isGrpcWeb = false;
  /** Set where the request is text. */
  #decoder: Base64Decoder | undefined = undefined;
  /** Set where the answer has to be. */
  #encoder: MessageTextEncoder | undefined = undefined;
  /** The head of an answer that is no gRPC, held until what it says is known. */
  #plainHead: ResponseHead | undefined = undefined;
  /** Room for the beginning of its body, of which so many bytes are in use. */
  #told: Buffer | undefined = undefined;
  #toldBytes = 0;

  constructor(handle: FilterHandle) {
    this.#handle = handle;
  }

  decodeHeaders({ headers }: RequestHead): FilterStatus {
    const type = headers.get('content-type');
    const isText = isTextType(type);
    if (!isText && type !== WEB && type !== WEB_PROTO) return FilterStatus.Continue;
    this.#isGrpcWeb = true;
    if (isText) this.#decoder = new Base64Decoder();
    if (isTextType(headers.get('accept'))) this.#encoder = new MessageTextEncoder();
    headers.remove('content-length');
    headers.set('content-type', GRPC);
    headers.set('te', 'trailers');
    if (!headers.has('grpc-accept-encoding')) headers.append('grpc-accept-encoding', 'identity');
    return FilterStatus.Continue;
  }

  decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    const decoder = this.#decoder;
    if (decoder === undefined) return FilterStatus.Continue;
    const bytes = decoder.decode(chunk);
    giveBack(chunk);
    if (bytes === undefined) this.#handle.sendLocalReply(LOCAL_REPLY.notBase64);
    else if (endStream && !decoder.isWhole) this.#handle.sendLocalReply(LOCAL_REPLY.cutOffBase64);
    else if (endStream || bytes.length > 0) this.#handle.passDecoded(bytes, endStream);
    return FilterStatus.Replaced;
  }

  decodeTrailers(): FilterStatus {
    if (this.#decoder === undefined || this.#decoder.isWhole) return FilterStatus.Continue;
    this.#handle.sendLocalReply(LOCAL_REPLY.cutOffBase64);
    return FilterStatus.Replaced;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): FilterStatus {
    if (!this.#isGrpcWeb) return FilterStatus.Continue;
    const { headers } = head;
    const isPlain = !endStream && !isGrpcAnswer(head);
    headers.remove('content-length');
    headers.set('content-type', this.#encoder === undefined ? WEB_PROTO : WEB_TEXT_PROTO);
    if (!isPlain) return FilterStatus.Continue;
    this.#plainHead = head;
    return FilterStatus.StopIteration;
  }

  encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#plainHead !== undefined) {
      this.#told ??= Buffer.allocUnsafe(MOST_TOLD_BYTES);
      this.#toldBytes += chunk.copy(this.#told, this.#toldBytes);
      giveBack(chunk);
      if (endStream) this.#tell(this.#plainHead);
      return FilterStatus.Replaced;
    }
    const encoder = this.#encoder;
    if (encoder === undefined) return FilterStatus.Continue;
    const text = encoder.encode(chunk);
    giveBack(chunk);
    if (endStream) this.#handle.passEncoded(Buffer.concat([text, encoder.end()]), true);
    else if (text.length > 0) this.#handle.passEncoded(text, false);
    return FilterStatus.Replaced;
  }

  encodeTrailers(trailers: HeaderMap): FilterStatus {
    if (!this.#isGrpcWeb) return FilterStatus.Continue;
    if (this.#plainHead !== undefined) {
      this.#tell(this.#plainHead);
      return FilterStatus.Replaced;
    }
    // Whoever logs or counts calls finds their outcome there.
    this.#handle.info.responseTrailers = trailers;
    const frame = trailersFrame(trailers);
    const encoder = this.#encoder;
    this.#handle.passEncoded(
      encoder === undefined ? frame : Buffer.concat([encoder.end(), encoder.encode(frame)]),
      true,
    );
    return FilterStatus.Replaced;
  }

  onDestroy(): void {
    this.#told = undefined;
  }

  /** Sends the head of an answer that is no gRPC, with its body in it. */
  #tell({ status, headers }: ResponseHead): void {
    this.#plainHead = undefined;
    const told = this.#told?.subarray(0, this.#toldBytes) ?? NOTHING;
    headers.set('grpc-message', encodeGrpcMessage(told));
    headers.set('grpc-status', String(grpcStatusOf(status)));
    headers.set('content-length', '0');
    this.#handle.passEncoded(NOTHING, true);
  }
}

function isTextType(type: string | undefined): boolean {
  return type === WEB_TEXT || type === WEB_TEXT_PROTO;
}

/** Of an answer with a body: whether it is by gRPC, or already by gRPC-Web. */
function isGrpcAnswer({ status, headers }: ResponseHead): boolean {
  if (status !== 200) return false;
  const type = headers.get('content-type');
  if (type === undefined || isGrpcContentType(type)) return type !== undefined;
  const media = type.split(';', 1)[0]?.trimEnd().toLowerCase();
  return media === WEB || media === WEB_PROTO;
}
