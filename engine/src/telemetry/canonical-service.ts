/** The labels by which metrics and dashboards know a workload, whatever it is made of. */
export const CANONICAL_NAME_LABEL = 'service.istio.io/canonical-name';
export const CANONICAL_REVISION_LABEL = 'service.istio.io/canonical-revision';

export interface CanonicalService {
  readonly name: string;
  readonly revision: string;
}

type Labels = Readonly<Record<string, string>>;

/**
 * What a workload is counted as: its own labels for that, else the usual ones, else its name.
 *
 * Source: Istio's rules for canonical services.
 */
export function canonicalService(labels: Labels, workloadName: string): CanonicalService {
  return {
    name: labelOf(labels, [CANONICAL_NAME_LABEL, 'app.kubernetes.io/name', 'app']) ?? workloadName,
    revision: labelOf(labels, [CANONICAL_REVISION_LABEL, 'app.kubernetes.io/version', 'version']) ?? 'latest',
  };
}

function labelOf(labels: Labels, names: readonly string[]): string | undefined {
  for (const name of names) if (Object.hasOwn(labels, name) && labels[name] !== '') return labels[name];
  return undefined;
}
