import { GrpcMessages } from '../../grpc-messages.js';

const NOTHING = Buffer.alloc(0);

/**
 * Encodes the messages of one answer as base64, each padded at its end, however they are cut into chunks.
 *
 * Source: gRPC-Web, `application/grpc-web-text`, in Envoy's form. Bounds: two bytes wait for their group.
 */
export class MessageTextEncoder {
  readonly #messages = new GrpcMessages();
  #rest: Buffer = NOTHING;

  encode(chunk: Buffer): Buffer {
    let text = '';
    for (let at = 0; at < chunk.length;) {
      const end = this.#messages.advance(chunk, at);
      text += this.#encodePart(chunk.subarray(at, end), this.#messages.isBetween);
      at = end;
    }
    return Buffer.from(text, 'latin1');
  }

  /** What is left of a message that was cut off. */
  end(): Buffer {
    return Buffer.from(this.#encodePart(NOTHING, true), 'latin1');
  }

  #encodePart(part: Buffer, isLast: boolean): string {
    const bytes = this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part]);
    const upTo = isLast ? bytes.length : bytes.length - (bytes.length % 3);
    this.#rest = upTo === bytes.length ? NOTHING : Buffer.from(bytes.subarray(upTo));
    return bytes.toString('base64', 0, upTo);
  }
}
