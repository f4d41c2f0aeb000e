import { AdmissionReviewError, PodInjectionError } from './errors.js';
import { type InjectorConfig } from './injector-config.js';
import { isJsonObject, type JsonObject } from './json-value.js';
import { injectPod, type InjectPodOptions } from './pod-patch.js';

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
export function reviewResponse(
  review: unknown,
  config: InjectorConfig,
  options: Pick<InjectPodOptions, 'namespaceLabels'> = {},
): AdmissionReviewResponse {
  const request = requestOf(review);
  const uid = request['uid'];
  if (typeof uid !== 'string' || uid === '') throw new AdmissionReviewError('request.uid is missing');
  if (!isPodCreation(request)) return answer({ uid, allowed: true });
  const namespace = request['namespace'];
  try {
    const { patch, warnings } = injectPod(request['object'], config, {
      ...options,
      // A pod that is being created may not name its namespace, and a wrong name is the API server's to refuse.
      ...(typeof namespace === 'string' && namespace !== '' ? { namespace } : {}),
    });
    return answer({
      uid,
      allowed: true,
      ...(patch.length === 0
        ? {}
        : {
            patchType: 'JSONPatch' as const,
            patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
          }),
      ...(warnings.length === 0 ? {} : { warnings: shortWarnings(warnings) }),
    });
  } catch (error) {
    if (!(error instanceof PodInjectionError)) throw error;
    const message = `heddle cannot inject this pod: ${error.problems.join('; ')}`;
    return answer({
      uid,
      allowed: false,
      status: { code: 422, message: message.slice(0, MAX_MESSAGE_CHARACTERS) },
    });
  }
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
