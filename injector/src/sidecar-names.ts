// The names that injection gives. They are what a pod must not have already.

export const PROXY_CONTAINER = 'heddle-proxy';
export const INIT_CONTAINER = 'heddle-init';

/** What each volume is for, and where the sidecar finds it. */
export const VOLUMES = {
  token: { name: 'heddle-token', mountPath: '/var/run/secrets/tokens' },
  rootCertificate: { name: 'heddle-root-certificate', mountPath: '/var/run/secrets/heddle' },
  podInfo: { name: 'heddle-pod-info', mountPath: '/etc/heddle/pod' },
  state: { name: 'heddle-state', mountPath: '/var/lib/heddle' },
} as const;

/** The service account's token for the control plane, and the root that the control plane is checked by. */
export const TOKEN_FILE = `${VOLUMES.token.mountPath}/heddle-token`;
export const ROOT_CERTIFICATE_FILE = `${VOLUMES.rootCertificate.mountPath}/root-cert.pem`;

/** Istio's numbers. */
export const SIDECAR_PORTS = {
  admin: 15_000,
  outbound: 15_001,
  inbound: 15_006,
  hbone: 15_008,
  status: 15_020,
  readiness: 15_021,
  dns: 15_053,
} as const;

export const PROMETHEUS_PATH = '/stats/prometheus';
export const READINESS_PATH = '/healthz/ready';
