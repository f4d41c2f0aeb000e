import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { createServer, type Server as HttpServer } from 'node:http';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';

const bytes = (value: Buffer): Buffer => value;
const method = (path: string, isStream: boolean) => ({
  path,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const SERVICE: ServiceDefinition = {
  unary: method('/test.Echo/Unary', false),
  stream: method('/test.Echo/Stream', true),
};
const ECHO: UntypedServiceImplementation = {
  unary: ((call: { readonly request: Buffer }, callback: (error: null, answer: Buffer) => void) =>
    callback(null, call.request)) as never,
  stream: ((call: NodeJS.ReadWriteStream) => {
    call.on('data', (message: Buffer) => call.write(message));
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }) as never,
};

/** One upstream of each protocol, which says back what it is told. */
export class EchoUpstreams {
  readonly #http: HttpServer = createServer((_request, response) => response.end('ok\n'));
  readonly #tcp: TcpServer = createTcpServer({ noDelay: true }, (socket) => this.#echo(socket));
  readonly #grpc = new Server();
  readonly #sockets = new Set<Socket>();
  httpPort = 0;
  tcpPort = 0;
  grpcPort = 0;

  constructor() {
    this.#http.on('upgrade', (_request, stream: Socket) => {
      stream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      this.#echo(stream);
    });
    this.#http.keepAliveTimeout = 60_000;
    this.#grpc.addService(SERVICE, ECHO);
  }

  async listen(): Promise<void> {
    for (const server of [this.#http, this.#tcp])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.httpPort = (this.#http.address() as AddressInfo).port;
    this.tcpPort = (this.#tcp.address() as AddressInfo).port;
    this.grpcPort = await new Promise<number>((resolve, reject) =>
      this.#grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      }),
    );
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#tcp.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#grpc.forceShutdown();
  }

  #echo(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.pipe(socket);
  }
}
