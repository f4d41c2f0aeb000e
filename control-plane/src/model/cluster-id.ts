/** What metrics call the cluster of every workload. Source: Istio's default for node metadata CLUSTER_ID. */
export const CLUSTER_ID = 'Kubernetes';
