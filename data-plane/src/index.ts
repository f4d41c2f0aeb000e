export { ClientCodecHttp1, type ClientCodecOptions } from './codec/http1/client-codec.js';
export { Deadlines } from './codec/http1/deadline-queue.js';
export { ServerCodecHttp1, type ServerCodecOptions } from './codec/http1/server-codec.js';
