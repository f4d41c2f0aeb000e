import { AdmissionReviewError, PodInjectionError } from './errors.js';
import { type InjectorConfig } from './injector-config.js';
import { isJsonObject, type JsonObject, type JsonValue } from './json-value.js';
import { type SkipReason } from './injection-decision.js';
import { injectPod } from './pod-patch.js';

/** The answer to a webhook call. Source: admission.k8s.io/v1 AdmissionReview. */
export interface AdmissionReviewResponse {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: 'JSONPatch';
    /** Base64 of the JSON Patch. */
    readonly patch?: string;
    /** Why it is refused. */
    readonly status?: { readonly code: number; readonly message: string };
    /** Shown by kubectl. */
    readonly warnings?: readonly string[];
  };
}

/** An answer, and what it came from, for those who count. */
export interface ReviewAnswer {
  readonly review: AdmissionReviewResponse;
  /** `other`: not the creation of a pod. */
  readonly outcome: 'injected' | 'refused' | 'other' | SkipReason;
  /** Why it is refused or skipped; empty otherwise. */
  readonly detail: string;
  /** The pod as logs name it: its namespace, and its name or what its name begins with. */
  readonly pod: string;
}

/** The API server takes no larger objects than 3 MiB, and a review holds the old and the new one. */
export const MAX_REVIEW_BYTES = 8 * 1024 * 1024;

/** The API server cuts warnings that are longer, and drops them all where together they are too long. */
const MAX_WARNING_CHARACTERS = 256;
const MAX_WARNINGS = 15;
/** kubectl prints it on one screen. */
const MAX_MESSAGE_CHARACTERS = 8 * 1024;

/**
 * Reads the body of a webhook call.
 *
 * Errors: AdmissionReviewError, which has no uid to answer to: the call is answered 400.
 */
export function parseAdmissionReview(body: Buffer | string): unknown {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  if (bytes > MAX_REVIEW_BYTES) {
    throw new AdmissionReviewError(`the review is larger than ${MAX_REVIEW_BYTES} bytes`);
  }
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new AdmissionReviewError('the review is not JSON', { cause });
  }
}

/**
 * Answers an AdmissionReview of a pod to be created: the patch that injectPod gives, or why the pod is refused.
 *
 * Shape: pure, so a dry run is like any other. What is no creation of a pod is allowed as it is.
 * Errors: AdmissionReviewError for what is not an AdmissionReview of `admission.k8s.io/v1` with a uid.
 */
export function answerReview(review: unknown, config: InjectorConfig): ReviewAnswer {
  const request = requestOf(review);
  const { uid, object } = request;
  if (typeof uid !== 'string' || uid === '') throw new AdmissionReviewError('request.uid is missing');
  // A pod that is being created may not name its namespace, and a wrong name is the API server's to refuse.
  const namespace = textOf(request['namespace']);
  const pod = `${namespace}/${nameOf(object)}`;
  if (!isPodCreation(request)) {
    return { review: answer({ uid, allowed: true }), outcome: 'other', detail: '', pod };
  }
  try {
    const { patch, warnings, skipped } = injectPod(object, config, { namespace, isSelected: true });
    const response = {
      uid,
      allowed: true,
      ...(patch.length === 0
        ? {}
        : {
            patchType: 'JSONPatch' as const,
            patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
          }),
      ...(warnings.length === 0 ? {} : { warnings: shortWarnings(warnings) }),
    };
    return {
      review: answer(response),
      outcome: skipped?.reason ?? 'injected',
      detail: skipped?.detail ?? '',
      pod,
    };
  } catch (error) {
    if (!(error instanceof PodInjectionError)) throw error;
    const detail = error.problems.join('; ').slice(0, MAX_MESSAGE_CHARACTERS);
    const status = { code: 422, message: `heddle cannot inject this pod: ${detail}` };
    return { review: answer({ uid, allowed: false, status }), outcome: 'refused', detail, pod };
  }
}

function nameOf(object: JsonValue | undefined): string {
  const metadata = isJsonObject(object) ? object['metadata'] : undefined;
  if (!isJsonObject(metadata)) return '';
  return textOf(metadata['name']) || `${textOf(metadata['generateName'])}*`;
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value.slice(0, 253) : '';
}

function requestOf(review: unknown): JsonObject {
  if (!isJsonObject(review) || review['kind'] !== 'AdmissionReview') {
    throw new AdmissionReviewError('expected an AdmissionReview');
  }
  if (review['apiVersion'] !== 'admission.k8s.io/v1') {
    const version = JSON.stringify(review['apiVersion'] ?? null).slice(0, 100);
    throw new AdmissionReviewError(`expected apiVersion admission.k8s.io/v1, found ${version}`);
  }
  const { request } = review;
  if (!isJsonObject(request)) throw new AdmissionReviewError('request is missing');
  return request;
}

function isPodCreation(request: JsonObject): boolean {
  const { kind, operation, subResource } = request;
  return (
    operation === 'CREATE' &&
    (subResource === undefined || subResource === '') &&
    isJsonObject(kind) &&
    kind['group'] === '' &&
    kind['kind'] === 'Pod'
  );
}

function answer(response: AdmissionReviewResponse['response']): AdmissionReviewResponse {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
}

function shortWarnings(warnings: readonly string[]): readonly string[] {
  const shown = warnings.slice(0, MAX_WARNINGS).map((text) => {
    const line = `heddle: ${text}`.replace(/[\r\n]+/g, ' ');
    return line.length <= MAX_WARNING_CHARACTERS ? line : `${line.slice(0, MAX_WARNING_CHARACTERS - 1)}…`;
  });
  const more = warnings.length - shown.length;
  return more === 0 ? shown : [...shown, `heddle: ${more} more warnings`];
}
