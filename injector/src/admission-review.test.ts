import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { MAX_REVIEW_BYTES, answerReview, parseAdmissionReview } from './admission-review.js';
import { AdmissionReviewError, PodInjectionError } from './errors.js';
import { createInjectorConfig } from './injector-config.js';
import { applyJsonPatch, type JsonPatchOperation } from './json-patch.js';
import { injectPod } from './pod-patch.js';

const config = createInjectorConfig({ image: 'heddle.example/proxy:1' });
const shapes = fileURLToPath(new URL('../testdata/pods/', import.meta.url));

describe('answerReview', () => {
  it('gives the very pod that injectPod gives, for every pod shape', () => {
    let pods = 0;
    for (const pod of podsOfShapes()) {
      pods++;
      const { response } = answerReview(reviewOf(pod), config).review;
      let expected;
      try {
        expected = injectPod(pod, config, { namespace: 'shop', isSelected: true });
      } catch (error) {
        assert.ok(error instanceof PodInjectionError);
        assert.equal(response.allowed, false);
        assert.equal(response.status?.code, 422);
        for (const problem of error.problems) assert.ok(response.status.message.includes(problem), problem);
        continue;
      }
      assert.equal(response.allowed, true);
      assert.deepEqual(applyJsonPatch(pod, patchOf(response.patch)), expected.pod);
      assert.equal(response.patchType, expected.patch.length === 0 ? undefined : 'JSONPatch');
    }
    assert.ok(pods >= 25, `${pods} pods`);
  });

  it('echoes the uid, and answers a dry run like any other', () => {
    const wet = answerReview(reviewOf(pod()), config).review;
    const dry = answerReview(reviewOf(pod(), { dryRun: true }), config).review;
    assert.equal(wet.response.uid, 'u-1');
    assert.equal(wet.kind, 'AdmissionReview');
    assert.equal(wet.apiVersion, 'admission.k8s.io/v1');
    assert.deepEqual(dry, wet);
  });

  it('takes the namespace from the request, which the object may not have', () => {
    const { response } = answerReview(reviewOf(pod(), { namespace: 'kube-system' }), config).review;
    assert.equal(response.patch, undefined);
    assert.equal(response.allowed, true);
  });

  it('lets pass what is no creation of a pod', () => {
    const others = [
      { operation: 'UPDATE' },
      { subResource: 'ephemeralcontainers' },
      { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } },
      { kind: null },
    ];
    for (const other of others) {
      assert.deepEqual(answerReview(reviewOf(pod(), other), config).review.response, {
        uid: 'u-1',
        allowed: true,
      });
    }
  });

  it('tells of warnings, short enough for the API server', () => {
    const annotations = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`heddle.dev/${'x'.repeat(300)}${index}`, '']),
    );
    const { response } = answerReview(reviewOf({ ...pod(), metadata: { annotations } }), config).review;
    assert.equal(response.warnings?.length, 16);
    assert.ok(response.warnings.every((warning) => warning.length <= 256));
  });

  it('refuses what is no review of version 1 with a uid', () => {
    const good = reviewOf(pod());
    const { uid: _uid, ...withoutUid } = good.request;
    const bad: readonly unknown[] = [
      null,
      [],
      'x',
      {},
      { ...good, kind: 'Pod' },
      { ...good, apiVersion: 'admission.k8s.io/v1beta1' },
      { ...good, request: null },
      { ...good, request: withoutUid },
      { ...good, request: { ...good.request, uid: '' } },
    ];
    for (const review of bad) assert.throws(() => answerReview(review, config), AdmissionReviewError);
  });

  it('never throws anything else, whatever the object is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (object) => {
        const { response } = answerReview(reviewOf(object), config).review;
        assert.equal(response.allowed, false);
      }),
    );
    const deep: unknown = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`);
    const { response } = answerReview(reviewOf({ ...pod(), status: deep }), config).review;
    assert.match(response.status?.message ?? '', /levels deep/);
  });
});

describe('parseAdmissionReview', () => {
  it('refuses what is not JSON, and what is too large before it is read', () => {
    assert.throws(() => parseAdmissionReview(Buffer.from('{')), AdmissionReviewError);
    assert.throws(() => parseAdmissionReview(Buffer.alloc(MAX_REVIEW_BYTES + 1)), /larger than/);
    assert.deepEqual(parseAdmissionReview('{"a":1}'), { a: 1 });
  });
});

function reviewOf(
  object: unknown,
  changes: Readonly<Record<string, unknown>> = {},
): { readonly request: Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      dryRun: false,
      object,
      ...changes,
    },
  };
}

function pod(): object {
  return { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ name: 'web' }] } };
}

function podsOfShapes(): readonly unknown[] {
  return readdirSync(shapes)
    .filter((file) => file.endsWith('.yaml') && !file.endsWith('.golden.yaml'))
    .flatMap((file) => parseAllDocuments(readFileSync(`${shapes}${file}`, 'utf8'), { merge: true }))
    .map((document) => ('toJS' in document ? (document.toJS() as unknown) : undefined))
    .filter((value) => (value as { kind?: string } | null)?.kind === 'Pod');
}

function patchOf(base64: string | undefined): readonly JsonPatchOperation[] {
  if (base64 === undefined) return [];
  return JSON.parse(Buffer.from(base64, 'base64').toString()) as readonly JsonPatchOperation[];
}
