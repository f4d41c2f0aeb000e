import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadBootstrap, parseCommandLine, type BootstrapConfig } from '@heddle/data-plane';
import { interceptionPlan, parseInterceptionArguments, parseInterceptionOptions } from '@heddle/injector';
import { parseAllDocuments } from 'yaml';

const shapes = fileURLToPath(new URL('../testdata/pods/', import.meta.resolve('@heddle/injector')));

const goldens = readdirSync(shapes).filter((name) => name.endsWith('.golden.yaml'));

describe('an injected pod', () => {
  it('has a sidecar that takes the arguments and the bootstrap of every golden, without a warning', async () => {
    let started = 0;
    for (const file of goldens) {
      for (const container of containersIn(file, 'heddle-proxy')) {
        const { warnings, identity } = await configOf(container);
        assert.deepEqual(warnings, [], file);
        assert.equal(identity?.spiffeId.uri, 'spiffe://cluster.local/ns/shop/sa/web', file);
        assert.equal(identity.caAddress, 'heddled.heddle-system.svc:15012');
        assert.equal(identity.tokenFile, '/var/run/secrets/tokens/heddle-token');
        started++;
      }
    }
    assert.ok(started >= 25, `${started} sidecars`);
  });

  it('has an init container whose arguments heddle-iptables takes, for every golden', () => {
    let planned = 0;
    for (const file of goldens) {
      for (const { args, env } of containersIn(file, 'heddle-init')) {
        const [command, ...options] = args.map((arg) => expanded(arg, kubeletsEnvironment(env)));
        assert.equal(command, 'apply', file);
        const config = parseInterceptionOptions(parseInterceptionArguments(options));
        for (const backend of ['iptables', 'nftables'] as const) {
          assert.ok(interceptionPlan(config, backend).length > 0, file);
        }
        planned++;
      }
    }
    assert.ok(planned >= 25, `${planned} init containers`);
  });
});

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
}

/** As heddle-proxy reads it. */
async function configOf({ args, env }: Container): Promise<BootstrapConfig> {
  const environment = kubeletsEnvironment(env);
  const parsed = parseCommandLine(args.map((arg) => expanded(arg, environment)));
  assert.ok(parsed.kind === 'run', JSON.stringify(parsed));
  assert.deepEqual(parsed.commandLine.notices, []);
  return loadBootstrap(parsed.commandLine, {});
}

/** What a kubelet gives a container: each variable may refer to those before it. */
function kubeletsEnvironment(variables: Container['env']): ReadonlyMap<string, string> {
  const environment = new Map<string, string>();
  const fields: Readonly<Record<string, string>> = {
    POD_NAME: 'web-1',
    POD_NAMESPACE: 'shop',
    INSTANCE_IP: '10.244.0.7',
    INSTANCE_IPS: '10.244.0.7,fd00::7',
    HOST_IP: '10.99.0.2',
    SERVICE_ACCOUNT: 'web',
  };
  for (const { name, value } of variables) {
    environment.set(
      name,
      value === undefined ? (fields[name] ?? assert.fail(name)) : expanded(value, environment),
    );
  }
  return environment;
}

/** Source: Kubernetes' expansion of `$(NAME)`; `$$` stands for `$`. */
function expanded(text: string, environment: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (all, name: string | undefined) =>
    name === undefined ? '$' : (environment.get(name) ?? all),
  );
}

function containersIn(file: string, container: string): readonly Container[] {
  const text = readFileSync(join(shapes, file), 'utf8');
  const found: Container[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ((value as { name?: unknown }).name === container && 'args' in value)
      found.push(value as unknown as Container);
    for (const part of Object.values(value)) look(part);
  };
  for (const document of parseAllDocuments(text, { merge: true }))
    if ('toJS' in document) look(document.toJS());
  return found;
}
