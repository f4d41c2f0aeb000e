import type { Clock } from '@heddle/common';
import type { VirtualHostConfig } from '@heddle/engine';
import { resourceNames } from '@heddle/xds-protos';
import type { ResourceSubscription, ResourceWatcher } from '../config-source.js';
import { DemandedNames } from './demanded-names.js';
import { NamedWatches } from './named-watches.js';
import type { ResourceSet, ResourceUpdate, StagedUpdate } from './resource-set.js';

/** The table of routes that a virtual host belongs to; undefined where its name says none. */
export function tableOf(name: string): string | undefined {
  return resourceNames.parseVirtualHostResourceName(name)?.routeConfiguration;
}

/**
 * Who waits for which virtual hosts (VHDS): tables of routes for all of theirs, and requests for the one of their domain.
 *
 * Source: a table is subscribed by its name, and a domain of it by `TABLE/DOMAIN`; a server names a host `TABLE/…`, and by aliases
 * which domains it was sent for.
 */
export class VirtualHostWatches {
  readonly #resources: ResourceSet<VirtualHostConfig>;
  readonly #tables: NamedWatches<readonly VirtualHostConfig[]>;
  readonly #demands: DemandedNames;
  /** Tables of which a server has said nothing yet. */
  readonly #unanswered = new Set<string>();

  constructor(
    resources: ResourceSet<VirtualHostConfig>,
    options: {
      readonly clock: Clock;
      readonly defaultTimeoutMs: number;
      readonly onNamesChanged: () => void;
      readonly onDemandsChanged: () => void;
    },
  ) {
    this.#resources = resources;
    this.#demands = new DemandedNames(options.clock, options.onDemandsChanged);
    this.#tables = new NamedWatches({
      ...options,
      current: (table) => {
        const held = this.#hostsOf(table);
        return held.length === 0 ? undefined : held;
      },
    });
  }

  names(): readonly string[] {
    const demanded = this.#demands.names().filter((name) => this.has(name));
    return [...this.#tables.names(), ...demanded];
  }

  /** Whether somebody uses the table that a host of this name belongs to. */
  has(name: string): boolean {
    const table = tableOf(name);
    return table !== undefined && this.#tables.has(table);
  }

  watchTable(
    table: string,
    watcher: ResourceWatcher<readonly VirtualHostConfig[]>,
    timeoutMs: number | undefined,
  ): ResourceSubscription {
    if (!this.#tables.has(table)) this.#unanswered.add(table);
    const subscription = this.#tables.watch(table, watcher, timeoutMs);
    return {
      close: () => {
        subscription.close();
        if (this.#tables.has(table)) return;
        this.#unanswered.delete(table);
        this.#demands.forget((name) => tableOf(name) === table);
      },
    };
  }

  ask(table: string, domain: string, onAnswer: () => void): ResourceSubscription | undefined {
    return this.#demands.ask(`${table}/${domain}`, onAnswer);
  }

  /** Of what came, that which is of use: virtual hosts of tables that are used. */
  wanted(update: ResourceUpdate): ResourceUpdate {
    const resources = update.resources.filter(
      ({ name, typeUrl }) => typeUrl !== '' && name !== undefined && this.has(name),
    );
    return { ...update, resources };
  }

  /** Which of the hosts that came have a domain that another one of their table has; by name, with why. */
  conflicts({ changed }: StagedUpdate<VirtualHostConfig>): ReadonlyMap<string, string> {
    const refused = new Map<string, string>();
    const names = new Set(changed.map(({ name }) => name));
    for (const table of new Set(changed.map(({ name }) => tableOf(name)))) {
      const isIn = ({ name }: { readonly name: string }): boolean => tableOf(name) === table;
      const owners = new Map<string, string>();
      const kept = this.#resources.held().filter((one) => isIn(one) && !names.has(one.name));
      for (const { name, value } of [...kept, ...changed.filter(isIn)]) {
        const taken = value.domains.find((domain) => owners.has(domain));
        if (taken === undefined) for (const domain of value.domains) owners.set(domain, name);
        else {
          const owner = owners.get(taken) ?? '';
          refused.set(name, `the domain ${JSON.stringify(taken)} is taken by ${JSON.stringify(owner)}`);
        }
      }
    }
    return refused;
  }

  /** Tells tables, and then requests, of what is held now. */
  tell(update: ResourceUpdate, staged: StagedUpdate<VirtualHostConfig>): void {
    const touched = new Set([...staged.changed.map(({ name }) => name), ...staged.removed].map(tableOf));
    for (const table of this.#tables.names()) {
      const isFirst = this.#unanswered.delete(table);
      if (isFirst || touched.has(table)) this.#tables.update(table, this.#hostsOf(table));
    }
    for (const { name = '', aliases = [], typeUrl } of update.resources) {
      if (typeUrl === '') this.#demands.missing([name, ...aliases]);
      else this.#demands.found(name, [name, ...aliases]);
    }
    if (update.removed.length > 0) this.#demands.missing(update.removed);
  }

  close(): void {
    this.#tables.close();
    this.#demands.close();
  }

  #hostsOf(table: string): readonly VirtualHostConfig[] {
    return this.#resources.held().flatMap(({ name, value }) => (tableOf(name) === table ? [value] : []));
  }
}
