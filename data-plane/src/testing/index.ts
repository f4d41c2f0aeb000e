// For tests of other packages: left out of what is packed.
export { CLIENT_PREFACE, ErrorCode, Flag, FrameType } from '../codec/http2/frame.js';
export { HpackDecoder } from '../codec/http2/hpack-decoder.js';
export { HpackEncoder } from '../codec/http2/hpack-encoder.js';
export { parseConfigDocument } from '../bootstrap/config-document.js';
export { translateBootstrap } from '../bootstrap/translate-bootstrap.js';
export { MessageReader } from '../dns/framed-messages.js';
export { addressRecords, formatAnswer, soaRecord } from '../dns/answer.js';
export { answerLife, DNS_RCODE, parseQuery } from '../dns/message.js';
export { Base64Decoder } from '../http/filters/grpc-web/base64-decoder.js';
export { MessageTextEncoder } from '../http/filters/grpc-web/message-text-encoder.js';
export { GrpcMessages } from '../http/grpc-messages.js';
export { parseClientHello } from '../listener/client-hello.js';
export { readProxyHeader, type ProxyHeaderVerdict } from '../codec/proxy-protocol/proxy-header.js';
export { decodePeerMetadata, encodePeerMetadata } from '../stats/istio/peer-metadata-header.js';
export { readLeafCertificate } from '../tls/leaf-certificate.js';
export { Http1ClientUnderTest } from './http1-client-under-test.js';
export { Http2Client, startHttp2Backend, type Http2Answer } from './http2-peers.js';
export { Http2ClientUnderTest } from './http2-client-under-test.js';
export {
  decodeFields,
  encodeFields,
  frame,
  Http2ServerUnderTest,
  readFrames,
  type ReadFrame,
} from './http2-under-test.js';
export { RecordedResponse, requestHead, type RecordedRequest } from './recording-receivers.js';
export { ServerCodecUnderTest } from './server-codec-under-test.js';
export { clusterConfig, endpoint, TestProxy } from './proxy-under-test.js';
