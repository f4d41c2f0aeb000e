import { MeshError } from '@heddle/common';

/** The options of interception cannot be used; `problems` holds everything that is wrong with them. */
export class InterceptionOptionsError extends MeshError {
  override readonly code = 'MESH_INTERCEPTION_OPTIONS';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Rules of interception cannot be set up or removed here; the message has the command and what it said. */
export class InterceptionRulesError extends MeshError {
  override readonly code = 'MESH_INTERCEPTION_RULES';
}

/** The injector's own configuration cannot be used; `problems` holds everything that is wrong with it. */
export class InjectorConfigError extends MeshError {
  override readonly code = 'MESH_INJECTOR_CONFIG';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: { readonly cause?: unknown }) {
    super(problems.join('\n'), options);
    this.problems = problems;
  }
}

/** A pod cannot be injected as it is; `problems` names every reason, not only the first. */
export class PodInjectionError extends MeshError {
  override readonly code = 'MESH_POD_INJECTION';
  readonly problems: readonly string[];
  /** Where each is, by field names; empty where nobody has looked. */
  readonly places: readonly (readonly string[])[];

  constructor(problems: readonly string[], places: readonly (readonly string[])[] = []) {
    super(problems.join('\n'));
    this.problems = problems;
    this.places = places;
  }
}

/** The text given to injection is not YAML or JSON of Kubernetes resources, or is too large. */
export class InjectInputError extends MeshError {
  override readonly code = 'MESH_INJECT_INPUT';
}

/** What was posted to the webhook is not an AdmissionReview, so that it cannot even be answered with its uid. */
export class AdmissionReviewError extends MeshError {
  override readonly code = 'MESH_ADMISSION_REVIEW';
}
