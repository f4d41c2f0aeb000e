import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Terminal } from '../../terminal.js';
import { runInject } from './inject.js';
import { runWebhookManifest } from './webhook-manifest.js';

export interface RegisterInjectionOptions {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly parsePort: (text: string) => number;
  readonly resolvePath: (path: string) => string;
}

interface InjectArguments {
  readonly filename: readonly string[];
  readonly config?: string;
  readonly image?: string;
  readonly revision?: string;
  readonly namespace?: string;
  readonly namespaceLabel?: Readonly<Record<string, string>>;
  readonly output?: 'yaml' | 'json';
}

interface ManifestArguments {
  readonly config?: string;
  readonly revision?: string;
  readonly service: string;
  readonly url?: string;
  readonly caFile?: string;
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly reinvocationPolicy: 'Never' | 'IfNeeded';
  readonly timeout: string;
  readonly istioLabels: boolean;
  readonly rootsFor?: readonly string[];
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly output: 'yaml' | 'json';
}

/** Adds `heddle inject` and `heddle webhook`. */
export function registerInjection(program: Command, options: RegisterInjectionOptions): void {
  registerInject(program, options);
  registerWebhook(program, options);
}

function registerInject(program: Command, options: RegisterInjectionOptions): void {
  const { terminal, stdin, resolvePath } = options;
  program
    .command('inject')
    .description('add the sidecar to the pods of Kubernetes manifests, as the webhook does in a cluster')
    .requiredOption(
      '-f, --filename <path>',
      'a file, a folder, or - for standard input; repeatable',
      (value: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        value === '-' ? value : resolvePath(value),
      ],
    )
    .option('--config <file>', 'how pods are injected: the file that heddled has as --injector-config')
    .option('--image <name>', "the sidecar's image, instead of the one in that file")
    .option('--revision <name>', 'the revision that injects, instead of the one in that file')
    .option('-n, --namespace <name>', 'where the pods come to live (default: what each resource says)')
    .option(
      '--namespace-label <name=value>',
      'decide as the webhook does for a namespace with this label; repeatable, and "=" alone for no label',
      collectLabel,
    )
    .addOption(
      new Option(
        '-o, --output <format>',
        'how it is printed (default: as it is written; with json, several resources are one List)',
      ).choices(['yaml', 'json']),
    )
    .addHelpText(
      'after',
      `
Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, ReplicationControllers, Jobs, CronJobs,
DeploymentConfigs and Lists of them get the sidecar; everything else is printed as it is written,
and so is what must not be injected, with the reason on standard error. What is injected already
stays as it is. Ends with 1, and prints nothing to apply, when anything cannot be injected.

Examples:
  heddle inject -f shop.yaml --image mesh.example/heddle:1 | kubectl apply -f -
  kubectl get deployment -n shop -o yaml | heddle inject -f - --config injector.yaml
  heddle inject -f manifests/ --config injector.yaml -o json

Why is a pod of a cluster not injected?
  kubectl get pod web-1 -n shop -o yaml |
    heddle inject -f - --config injector.yaml --namespace-label istio-injection=enabled`,
    )
    .action(async (given: InjectArguments) => {
      process.exitCode = await runInject({
        paths: given.filename,
        stdin,
        config: given.config === undefined ? undefined : resolvePath(given.config),
        image: given.image,
        revision: given.revision,
        namespace: given.namespace,
        namespaceLabels: given.namespaceLabel,
        output: given.output,
        terminal,
      });
    });
}

function registerWebhook(program: Command, options: RegisterInjectionOptions): void {
  const { terminal, environment, parsePort, resolvePath } = options;
  const webhook = program
    .command('webhook')
    .description('let a cluster of Kubernetes ask heddled about new pods');
  webhook
    .command('manifest')
    .description('print the MutatingWebhookConfiguration, for "kubectl apply -f -"')
    .option('--config <file>', 'the file that heddled has as --injector-config (default: its defaults)')
    .option('--revision <name>', 'the revision that injects, instead of the one in that file')
    .option(
      '--service <namespace/name:port>',
      'the Service that leads to heddled',
      'heddle-system/heddled:443',
    )
    .option('--url <https://host:port>', 'where heddled is, instead of a Service')
    .option('--ca-file <file>', 'the roots of the mesh, PEM (default: asked of a running heddled)')
    .addOption(
      new Option('--failure-policy <policy>', 'whether pods are refused while heddled is away')
        .choices(['Fail', 'Ignore'])
        .default('Fail'),
    )
    .addOption(
      new Option('--reinvocation-policy <policy>', 'whether it is asked again after other webhooks')
        .choices(['Never', 'IfNeeded'])
        .default('Never'),
    )
    .option('--timeout <duration>', 'how long the API server waits, 1s to 30s', '10s')
    .option('--no-istio-labels', "only heddle.dev's labels count: for clusters in which Istio injects, too")
    .option(
      '--roots-for <namespace>',
      'print the ConfigMap with the roots for its sidecars as well; repeatable',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
    .option('--api-port <port>', "the port of another heddled's API", parsePort)
    .addOption(
      new Option('-o, --output <format>', 'how it is printed').choices(['yaml', 'json']).default('yaml'),
    )
    .addHelpText(
      'after',
      `
Examples:
  heddle webhook manifest --ca-file ca/roots.pem --roots-for shop | kubectl apply -f -
  heddle webhook manifest --api-port 8080 --url https://10.0.0.5:15017 | kubectl apply -f -
  kubectl label namespace shop heddle.dev/injection=enabled

Apply it again after each step of "heddle ca rotate-root": it holds the roots of that moment.`,
    )
    .action(async (given: ManifestArguments) => {
      process.exitCode = await runWebhookManifest({
        ...given,
        config: given.config === undefined ? undefined : resolvePath(given.config),
        revision: given.revision,
        url: given.url,
        caFile: given.caFile === undefined ? undefined : resolvePath(given.caFile),
        rootsFor: given.rootsFor ?? [],
        stateFolder: resolvePath(given.stateDir),
        apiPort: given.apiPort,
        tokenFile: undefined,
        environment,
        terminal,
      });
    });
}

function collectLabel(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (text === '=') return before ?? {};
  const equals = text.indexOf('=');
  if (equals <= 0) throw new InvalidArgumentError('expected NAME=VALUE');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
