import { PROXY_ID } from './interception-rules/interception-config.js';
import { type Container, type Pod } from './kubernetes-pod.js';
import { type PodControls } from './pod-controls.js';
import { INIT_CONTAINER, PROXY_CONTAINER, SIDECAR_PORTS, VOLUMES } from './sidecar-names.js';

/** What a pod has already that the sidecar needs for itself: every reason why it cannot be injected. */
export function podConflicts(pod: Pod, controls: PodControls): readonly string[] {
  const { spec } = pod;
  const problems: string[] = [];
  const all = allContainers(pod);
  const ownNames: readonly string[] = [PROXY_CONTAINER, INIT_CONTAINER];
  const ownVolumes: readonly string[] = Object.values(VOLUMES).map(({ name }) => name);
  const ownPorts = new Map<number, string>(Object.entries(SIDECAR_PORTS).map(([what, port]) => [port, what]));

  for (const { name } of [...all, ...(spec.ephemeralContainers ?? [])]) {
    if (ownNames.includes(name)) {
      problems.push(`container ${name}: the name is the sidecar's: give the container another one`);
    }
  }
  for (const { name } of spec.volumes ?? []) {
    if (name !== undefined && ownVolumes.includes(name)) {
      problems.push(`volume ${name}: the name is the sidecar's: give the volume another one`);
    }
  }
  for (const { name, ports } of all) {
    for (const port of ports ?? []) {
      const taken = ownPorts.get(port.containerPort);
      if (taken !== undefined) {
        problems.push(
          `container ${name}: port ${port.containerPort} is the sidecar's (${taken}): listen on another one`,
        );
      }
      if (port.name === 'heddle-status') {
        problems.push(
          `container ${name}: the port name heddle-status is the sidecar's: give the port another one`,
        );
      }
    }
  }
  if (controls.interceptionMode !== 'NONE') {
    for (const container of applicationContainers(pod)) {
      const id = sidecarsIdOf(container, pod);
      if (id !== undefined) {
        problems.push(
          `container ${container.name}: ${id} ${PROXY_ID} is the sidecar's, whose traffic is not intercepted: use another one`,
        );
      }
    }
  }
  return problems;
}

/** What to know about init containers: whose calls pass the sidecar by, and why. */
export function initContainerWarnings(pod: Pod, controls: PodControls): readonly string[] {
  if (controls.interceptionMode === 'NONE') return [];
  const warnings: string[] = [];
  for (const container of plainInitContainers(pod)) {
    const id = sidecarsIdOf(container, pod);
    if (id !== undefined) {
      warnings.push(
        `init container ${container.name}: runs with ${id} ${PROXY_ID}, so its calls bypass the sidecar`,
      );
    } else if (!controls.nativeSidecar) {
      warnings.push(
        `init container ${container.name}: runs before the sidecar, so its calls bypass it: no mTLS, no policy`,
      );
    }
  }
  return warnings;
}

/** Containers that run beside each other: those of the pod, and native sidecars of its own. */
export function applicationContainers({ spec }: Pod): readonly Container[] {
  return [...spec.containers, ...(spec.initContainers ?? []).filter(isNativeSidecar)];
}

export function allContainers({ spec }: Pod): readonly Container[] {
  return [...spec.containers, ...(spec.initContainers ?? [])];
}

export function isNativeSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always';
}

function plainInitContainers({ spec }: Pod): readonly Container[] {
  return (spec.initContainers ?? []).filter((container) => !isNativeSidecar(container));
}

/** The rules exempt the sidecar's user and its group. */
function sidecarsIdOf(container: Container, { spec }: Pod): 'runAsUser' | 'runAsGroup' | undefined {
  const user = container.securityContext?.runAsUser ?? spec.securityContext?.runAsUser;
  const group = container.securityContext?.runAsGroup ?? spec.securityContext?.runAsGroup;
  if (user === PROXY_ID) return 'runAsUser';
  return group === PROXY_ID ? 'runAsGroup' : undefined;
}
