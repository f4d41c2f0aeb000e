import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describeError, parseDurationMs } from '@heddle/common';
import {
  INJECT_PATH,
  webhookConfiguration,
  type InjectorConfig,
  type WebhookOptions,
} from '@heddle/injector';
import { stringify } from 'yaml';
import type { Terminal } from '../../terminal.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';
import { loadInjectorConfig } from './load-injector-config.js';

export interface WebhookManifestOptions extends HeddledAccessOptions {
  readonly config: string | undefined;
  readonly revision: string | undefined;
  /** `NAMESPACE/NAME:PORT`. */
  readonly service: string;
  /** Instead of the service. */
  readonly url: string | undefined;
  /** PEM of the roots; undefined: asked of heddled. */
  readonly caFile: string | undefined;
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly reinvocationPolicy: 'Never' | 'IfNeeded';
  readonly timeout: string;
  readonly istioLabels: boolean;
  /** Namespaces that get the roots, for their sidecars. */
  readonly rootsFor: readonly string[];
  readonly output: 'yaml' | 'json';
  readonly terminal: Terminal;
}

/** `heddle webhook manifest`: what makes a cluster's API server ask heddled about new pods. Resolves with the exit code. */
export async function runWebhookManifest(options: WebhookManifestOptions): Promise<number> {
  const { terminal, output } = options;
  try {
    // The sidecar's image has no part in what is printed.
    const config = loadInjectorConfig({ ...options, image: 'any' });
    const roots = checkedRoots(
      options.caFile === undefined
        ? await heddledClient(options).client.text('GET', '/api/v1/ca/roots?format=pem')
        : readFileSync(options.caFile, 'utf8'),
    );
    const { failurePolicy, reinvocationPolicy, istioLabels } = options;
    const resources = [
      ...options.rootsFor.map((namespace) => rootsOf(namespace, roots, config)),
      webhookConfiguration(config, {
        target: targetOf(options),
        timeoutSeconds: timeoutSecondsOf(options.timeout),
        ...{ roots, failurePolicy, reinvocationPolicy, istioLabels },
      }),
    ];
    terminal.raw(output === 'json' ? asJson(resources) : resources.map(asYaml).join('---\n'));
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}

function targetOf({ url, service }: WebhookManifestOptions): WebhookOptions['target'] {
  if (url !== undefined) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed?.protocol !== 'https:') throw new Error(`--url ${url}: expected https://HOST:PORT`);
    if (parsed.pathname === '/') parsed.pathname = INJECT_PATH;
    if (
      parsed.pathname !== INJECT_PATH ||
      parsed.search !== '' ||
      parsed.hash !== '' ||
      parsed.username !== ''
    )
      throw new Error(`--url ${url}: heddled answers at ${INJECT_PATH} alone`);
    return { kind: 'url', url: parsed.href };
  }
  const [, namespace, name, port = '443'] = /^([a-z0-9-]+)\/([a-z0-9-]+)(?::(\d{1,5}))?$/.exec(service) ?? [];
  if (namespace === undefined || name === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new Error(`--service ${service}: expected NAMESPACE/NAME:PORT`);
  return { kind: 'service', namespace, name, port: Number(port) };
}

function timeoutSecondsOf(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 1_000 || ms > 30_000 || ms % 1_000 !== 0)
    throw new Error(`--timeout ${text}: expected whole seconds from 1s to 30s`);
  return ms / 1_000;
}

/** The API server would refuse each pod for a bundle that it cannot read. */
function checkedRoots(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('the roots hold no certificate: expected PEM');
  for (const block of blocks) {
    const certificate = new X509Certificate(block);
    if (!certificate.ca) throw new Error(`${certificate.subject} is not the certificate of an authority`);
  }
  return `${blocks.join('\n')}\n`;
}

function rootsOf(
  namespace: string,
  roots: string,
  config: InjectorConfig,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: config.rootCertificateConfigMap, namespace },
    data: { 'root-cert.pem': roots },
  };
}

function asYaml(resource: unknown): string {
  return stringify(resource, { lineWidth: 0, aliasDuplicateObjects: false });
}

function asJson(resources: readonly unknown[]): string {
  const [only] = resources;
  const value = resources.length === 1 ? only : { apiVersion: 'v1', kind: 'List', items: resources };
  return `${JSON.stringify(value, null, 2)}\n`;
}
