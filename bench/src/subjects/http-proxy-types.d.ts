// The part of http-proxy that the subject uses: the package carries no types.
declare module 'http-proxy' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
  import type { Socket } from 'node:net';

  interface ProxyOptions {
    target: { host: string; port: number };
    agent: Agent;
    xfwd: boolean;
    proxyTimeout: number;
  }
  interface ProxyServer {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(
      event: 'error',
      listener: (error: Error, request: IncomingMessage, response: ServerResponse | Socket) => void,
    ): this;
  }
  const httpProxy: { createProxyServer(options: ProxyOptions): ProxyServer };
  export default httpProxy;
}
