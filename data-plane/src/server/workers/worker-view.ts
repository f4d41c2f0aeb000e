import { Counter } from '../../stats/stats-store.js';
import type { ServerView } from '../thread-parts.js';
import type { LabelledFamily, WorkerView } from './messages.js';

/** What a worker serves, as texts and numbers that another thread can be given. */
export function viewOf(
  { clusters, listeners, certificates, labelled }: ServerView,
  withLabelled: boolean,
): WorkerView {
  return {
    clusters: clusters.map(({ config, state, hosts }) => ({ name: config.name, state, hosts })),
    listeners: listeners.map(({ name, state, addresses, connections }) => ({
      name,
      state,
      addresses,
      connections,
    })),
    certificates,
    labelled: withLabelled
      ? labelled.families().map((family): LabelledFamily => ({
          name: family.name,
          kind: family.kind,
          help: family.help,
          series: [...family.entries()].map(({ labels, metric }) => [
            labels,
            metric instanceof Counter ? [metric.value] : [...metric.counts, metric.sum],
          ]),
        }))
      : [],
  };
}
