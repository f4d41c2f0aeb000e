import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An object of Kubernetes, as far as anybody here looks at it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** Where an object, or all of a kind, is in the API. */
interface Place {
  /** Group, version and kind. */
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

interface Watcher {
  readonly place: Place;
  readonly response: ServerResponse;
}

const MAX_BODY_BYTES = 1024 * 1024;

/**
 * The part of a Kubernetes API server without which istiod does not start: objects that are kept as they are, lists and watches of
 * them, and reviews of service accounts' tokens. It knows nothing of any kind, so istiod's own configuration comes from files.
 */
export class KubernetesStandIn {
  readonly #server: Server;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #tokens = new Map<string, string>();
  readonly #watchers = new Set<Watcher>();
  #revision = 1;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Whoever shows this token is that service account. */
  acceptToken(token: string, namespace: string, serviceAccount: string): void {
    this.#tokens.set(token, `system:serviceaccount:${namespace}:${serviceAccount}`);
  }

  /** As a client would write it. */
  put(path: string, object: KubernetesObject): void {
    this.#write(placeOf(path), object);
  }

  /** As a client would read it. */
  get(path: string): KubernetesObject | undefined {
    return this.#objects.get(keyOf(placeOf(path)));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
    const body = await bodyOf(request);
    const place = placeOf(pathname);
    if (pathname === '/version') json(response, 200, { major: '1', minor: '34', gitVersion: 'v1.34.4' });
    else if (pathname === '/api') json(response, 200, { kind: 'APIVersions', versions: ['v1'] });
    else if (pathname === '/apis')
      json(response, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [] });
    else if (pathname.endsWith('/tokenreviews')) json(response, 201, this.#review(body));
    else if (request.method === 'GET' && searchParams.get('watch') === 'true')
      this.#watch(place, searchParams, response);
    else if (request.method === 'GET' && place.name !== undefined) this.#read(place, response);
    else if (request.method === 'GET') this.#list(place, searchParams, request, response);
    else if (request.method === 'POST' || request.method === 'PUT') {
      json(response, request.method === 'POST' ? 201 : 200, this.#write(place, body as KubernetesObject));
    } else failure(response, 405, 'MethodNotAllowed', 'the stand-in takes GET, POST and PUT');
  }

  #read(place: Place, response: ServerResponse): void {
    const object = this.#objects.get(keyOf(place));
    if (object === undefined) failure(response, 404, 'NotFound', `${place.name ?? ''} is not there`);
    else json(response, 200, object);
  }

  #list(place: Place, query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const items = [...this.#objects]
      .filter(([key, object]) => isOf(place, key) && isChosen(query, object))
      .map(([, object]) => object);
    const ofMetadata = (request.headers.accept ?? '').includes('PartialObjectMetadataList');
    json(response, 200, {
      // Clients know which kind they asked for.
      ...(ofMetadata ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' } : {}),
      metadata: { resourceVersion: String(this.#revision) },
      items,
    });
  }

  #watch(place: Place, query: URLSearchParams, response: ServerResponse): void {
    if (query.get('sendInitialEvents') === 'true') {
      failure(response, 422, 'Invalid', 'lists are not streamed: list, then watch');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watcher = { place, response };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #write(place: Place, given: KubernetesObject): KubernetesObject {
    const { metadata } = given;
    const namespace = place.namespace ?? metadata.namespace;
    const revision = String(++this.#revision);
    const object = {
      ...given,
      metadata: {
        ...metadata,
        ...(namespace === undefined ? {} : { namespace }),
        uid: `uid-${metadata.name}`,
        resourceVersion: revision,
      },
    };
    const key = keyOf({ ...place, name: metadata.name, namespace });
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(key, object);
    for (const { place: watched, response } of this.#watchers) {
      if (isOf(watched, key)) response.write(`${JSON.stringify({ type, object })}\n`);
    }
    return object;
  }

  #review(body: unknown): object {
    const { spec, ...review } = body as { spec?: { token?: string } };
    const username = this.#tokens.get(spec?.token ?? '');
    const status =
      username === undefined
        ? { authenticated: false }
        : {
            authenticated: true,
            audiences: ['istio-ca'],
            user: { username, groups: ['system:serviceaccounts', 'system:authenticated'] },
          };
    return { ...review, spec, status };
  }
}

/** `/api/v1/namespaces/NAMESPACE/KIND/NAME`, and the forms in which a part of it is left out. */
function placeOf(path: string): Place {
  const parts = path.split('/').filter((part) => part !== '');
  const group = parts.splice(0, parts[0] === 'api' ? 2 : 3).join('/');
  const isInside = parts[0] === 'namespaces' && parts.length > 2;
  const [kind = '', name] = isInside ? parts.slice(2) : parts;
  return { collection: `${group}/${kind}`, namespace: isInside ? parts[1] : undefined, name };
}

function keyOf({ collection, namespace = '', name = '' }: Place): string {
  return `${collection} ${namespace} ${name}`;
}

function isOf({ collection, namespace, name }: Place, key: string): boolean {
  const [ofCollection, ofNamespace, ofName] = key.split(' ');
  return (
    ofCollection === collection &&
    (namespace === undefined || ofNamespace === namespace) &&
    (name === undefined || ofName === name)
  );
}

/** By name where one is asked for. Nothing here has labels. */
function isChosen(query: URLSearchParams, { metadata }: KubernetesObject): boolean {
  if ((query.get('labelSelector') ?? '') !== '') return false;
  const name = /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return name === undefined || name === metadata.name;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > MAX_BODY_BYTES) throw new Error('istiod wrote more than the stand-in keeps');
  }
  return text === '' ? {} : JSON.parse(text);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function failure(response: ServerResponse, code: number, reason: string, message: string): void {
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}
