import type { HiddenText } from '@heddle/engine';
import type { Texts } from './shared-fields.js';

/* The kinds that say what there is: services, workloads and secrets. What the schemas of `source/schema` let through: every field may be absent. */

export interface WorkloadEntrySpec {
  readonly address: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Texts;
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports: readonly {
    readonly number: number;
    readonly protocol?: string;
    readonly name: string;
    readonly targetPort?: number;
  }[];
  readonly location?: string;
  readonly resolution?: string;
  readonly endpoints?: readonly Partial<WorkloadEntrySpec>[];
  readonly workloadSelector?: { readonly labels: Texts };
  readonly subjectAltNames?: readonly string[];
  readonly exportTo?: readonly string[];
}

export interface ServiceSpec {
  readonly selector?: Texts;
  readonly ports?: readonly {
    readonly name?: string;
    readonly protocol?: string;
    readonly appProtocol?: string;
    readonly port: number;
    readonly targetPort?: number | string;
  }[];
  readonly type?: string;
  readonly clusterIP?: string;
  readonly externalName?: string;
}

export interface WorkloadSpec {
  readonly service?: string;
  readonly command?: readonly string[];
  readonly workingDirectory?: string;
  readonly env?: Readonly<Record<string, string | number | boolean>>;
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly protocol?: string }[];
  readonly replicas?: number;
  readonly serviceAccount?: string;
  readonly labels?: Texts;
  readonly address?: string;
  readonly locality?: string;
  readonly weight?: number;
}

/** A Secret's content; it has no `spec` of its own. */
export interface SecretSpec {
  readonly type: string;
  readonly data: Readonly<Record<string, HiddenText>>;
}
