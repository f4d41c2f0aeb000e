import type { envoy } from '@heddle/xds-protos';
import type { RouteTarget, WeightedClusterConfig } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { translateHeaderChanges } from './header-changes.js';
import { checkHeaderName, hasControls } from './matchers.js';
import { translatePerFilterConfig } from './per-filter-config.js';
import { requiredText, wrappedNumber } from './proto-values.js';

/** The largest sum of weights that Envoy takes. */
const MOST_WEIGHT = 0xffff_ffff;

const NOWHERE: RouteTarget = { kind: 'cluster', name: '' };

/** Source: envoy.config.route.v3.RouteAction.cluster_specifier. */
export function translateRouteTarget(
  action: envoy.config.route.v3.RouteAction,
  path: string,
  findings: Findings,
): RouteTarget {
  switch (action.clusterSpecifier) {
    case 'cluster':
      return { kind: 'cluster', name: requiredText(action.cluster ?? '', `${path}.cluster`, findings) };
    case 'clusterHeader': {
      const header = action.clusterHeader ?? '';
      checkHeaderName(header, `${path}.cluster_header`, findings);
      return { kind: 'cluster-header', header: header.toLowerCase() };
    }
    case 'weightedClusters':
      return action.weightedClusters === null
        ? NOWHERE
        : translateWeighted(action.weightedClusters, `${path}.weighted_clusters`, findings);
    case 'clusterSpecifierPlugin':
    case 'inlineClusterSpecifierPlugin':
      findings.problem(path, 'cluster specifier plugins are not supported');
      return NOWHERE;
    case undefined:
      findings.problem(path, 'one of cluster, cluster_header or weighted_clusters must be set');
      return NOWHERE;
  }
}

function translateWeighted(
  weighted: envoy.config.route.v3.WeightedCluster,
  path: string,
  findings: Findings,
): RouteTarget {
  if (weighted.clusters.length === 0) findings.problem(`${path}.clusters`, 'must have at least one entry');
  const clusters = weighted.clusters.map((cluster, i) =>
    translateClusterWeight(cluster, `${path}.clusters[${i}]`, findings),
  );
  const totalWeight = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  if (clusters.length > 0 && totalWeight === 0) {
    findings.problem(`${path}.clusters`, 'the weights must sum to more than zero');
  }
  if (totalWeight > MOST_WEIGHT)
    findings.problem(`${path}.clusters`, `the weights sum to more than ${MOST_WEIGHT}`);
  if (weighted.totalWeight !== null && weighted.totalWeight.value !== totalWeight) {
    findings.problem(
      `${path}.total_weight`,
      `is ${weighted.totalWeight.value}, but the weights sum to ${totalWeight}`,
    );
  }
  const randomValueHeader = weighted.headerName ?? '';
  if (randomValueHeader !== '') checkHeaderName(randomValueHeader, `${path}.header_name`, findings);
  return { kind: 'weighted', clusters, totalWeight, randomValueHeader: randomValueHeader.toLowerCase() };
}

function translateClusterWeight(
  cluster: envoy.config.route.v3.WeightedCluster.ClusterWeight,
  path: string,
  findings: Findings,
): WeightedClusterConfig {
  if (cluster.clusterHeader !== '') findings.problem(`${path}.cluster_header`, 'is not supported');
  else requiredText(cluster.name, `${path}.name`, findings);
  if (cluster.weight === null) findings.problem(`${path}.weight`, 'must be set');
  findings.unsupported(`${path}.metadata_match`, cluster.metadataMatch !== null, 'warning');
  const hostRewriteLiteral = cluster.hostRewriteLiteral ?? '';
  if (hasControls(hostRewriteLiteral)) {
    findings.problem(`${path}.host_rewrite_literal`, 'must not hold CR, LF or NUL');
  }
  return {
    name: cluster.name,
    weight: wrappedNumber(cluster.weight, 0, `${path}.weight`, findings),
    requestHeaders: translateHeaderChanges(
      cluster.requestHeadersToAdd,
      cluster.requestHeadersToRemove,
      path,
      'request',
      findings,
    ),
    responseHeaders: translateHeaderChanges(
      cluster.responseHeadersToAdd,
      cluster.responseHeadersToRemove,
      path,
      'response',
      findings,
    ),
    hostRewriteLiteral,
    perFilterConfig: translatePerFilterConfig(cluster.typedPerFilterConfig, path, findings),
  };
}
