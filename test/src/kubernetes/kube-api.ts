import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

/** A resource of the API, as far as tests look at it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name?: string;
    readonly generateName?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly uid?: string; readonly [field: string]: unknown }[];
    readonly [field: string]: unknown;
  };
  readonly spec?: unknown;
  readonly [field: string]: unknown;
}

export interface KubeAnswer {
  readonly status: number;
  /** The resource, or a `Status`. */
  readonly body: KubeObject & {
    readonly message?: string;
    readonly items?: readonly KubeObject[];
  };
  /** What kubectl would print as warnings. */
  readonly warnings: readonly string[];
}

/** Where each kind is, with NS for the namespace. */
const PLURALS: Readonly<Record<string, string>> = {
  'v1/Pod': 'api/v1/namespaces/NS/pods',
  'v1/ConfigMap': 'api/v1/namespaces/NS/configmaps',
  'v1/Service': 'api/v1/namespaces/NS/services',
  'v1/ReplicationController': 'api/v1/namespaces/NS/replicationcontrollers',
  'v1/ServiceAccount': 'api/v1/namespaces/NS/serviceaccounts',
  'v1/Namespace': 'api/v1/namespaces',
  'apps/v1/Deployment': 'apis/apps/v1/namespaces/NS/deployments',
  'apps/v1/StatefulSet': 'apis/apps/v1/namespaces/NS/statefulsets',
  'apps/v1/DaemonSet': 'apis/apps/v1/namespaces/NS/daemonsets',
  'apps/v1/ReplicaSet': 'apis/apps/v1/namespaces/NS/replicasets',
  'batch/v1/Job': 'apis/batch/v1/namespaces/NS/jobs',
  'batch/v1/CronJob': 'apis/batch/v1/namespaces/NS/cronjobs',
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration':
    'apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
};

/** A client of an API server, with the certificate of a kubeconfig. */
export class KubeApi {
  readonly #server: URL;
  readonly #agent: Agent;

  constructor(kubeconfig: string) {
    const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as {
      readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
      readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
    };
    const cluster = clusters[0]?.cluster ?? {};
    const user = users[0]?.user ?? {};
    const data = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
    this.#server = new URL(cluster['server'] ?? '');
    this.#agent = new Agent({
      ca: data(cluster['certificate-authority-data']),
      cert: data(user['client-certificate-data']),
      key: data(user['client-key-data']),
      keepAlive: true,
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Whether the API knows the kind. */
  knows({ apiVersion = '', kind = '' }: KubeObject): boolean {
    return Object.hasOwn(PLURALS, `${apiVersion}/${kind}`);
  }

  /** Creates a resource, every field of which must be known. `dryRun`: as if, with all admission and validation. */
  create(object: KubeObject, options: { readonly dryRun?: boolean } = {}): Promise<KubeAnswer> {
    const dryRun = options.dryRun === true ? '&dryRun=All' : '';
    return this.call('POST', `${pathOf(object)}?fieldValidation=Strict${dryRun}`, object);
  }

  /** Creates it, or makes it so. */
  apply(object: KubeObject): Promise<KubeAnswer> {
    const path = `${pathOf(object)}/${object.metadata.name ?? ''}?fieldManager=heddle-tests&force=true`;
    return this.call('PATCH', path, object, 'application/apply-patch+yaml');
  }

  delete(object: KubeObject): Promise<KubeAnswer> {
    return this.call('DELETE', `${pathOf(object)}/${object.metadata.name ?? ''}`);
  }

  /** Everything of a kind in a namespace. */
  async list(apiVersion: string, kind: string, namespace: string): Promise<readonly KubeObject[]> {
    const { body } = await this.call('GET', pathOf({ apiVersion, kind, metadata: { namespace } }));
    return body.items ?? [];
  }

  call(
    method: string,
    path: string,
    body?: KubeObject,
    contentType = 'application/json',
  ): Promise<KubeAnswer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        new URL(path, this.#server),
        { agent: this.#agent, method, headers: { 'content-type': contentType, accept: 'application/json' } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            resolve({
              status: response.statusCode ?? 0,
              body: JSON.parse(text) as KubeAnswer['body'],
              warnings: [response.headers['warning'] ?? []].flat().map(String),
            });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function pathOf({ apiVersion = '', kind = '', metadata }: KubeObject): string {
  const path = PLURALS[`${apiVersion}/${kind}`];
  if (path === undefined) throw new Error(`${apiVersion} ${kind} is not among the kinds of these tests`);
  return `/${path.replace('NS', metadata.namespace ?? 'default')}`;
}
