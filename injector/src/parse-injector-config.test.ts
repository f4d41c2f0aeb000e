import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InjectorConfigError } from './errors.js';
import { createInjectorConfig } from './injector-config.js';
import { parseInjectorConfig } from './parse-injector-config.js';

describe('parseInjectorConfig', () => {
  it('gives what createInjectorConfig gives, with the defaults of what is left out', () => {
    assert.deepEqual(
      parseInjectorConfig('image: mesh.example/proxy:1'),
      createInjectorConfig({ image: 'mesh.example/proxy:1' }),
    );
    const text = `
image: mesh.example/proxy:2
nativeSidecar: false
controlPlane: { host: heddled.mesh.svc }
interception: { dnsCapture: true, excludeOutboundPorts: "3306,5432" }
resources: { limits: { memory: 256Mi } }
`;
    const config = parseInjectorConfig(text);
    assert.deepEqual(config.controlPlane, { host: 'heddled.mesh.svc', port: 15_012, tls: true });
    assert.deepEqual(config.interception, { dnsCapture: true, excludeOutboundPorts: '3306,5432' });
    assert.deepEqual(config.resources, { limits: { memory: '256Mi' } });
    assert.equal(config.nativeSidecar, false);
    assert.ok(Object.isFrozen(config.controlPlane));
  });

  it('takes JSON, and options that are told beside it', () => {
    assert.equal(parseInjectorConfig('{"image": "a:1"}').image, 'a:1');
    assert.equal(parseInjectorConfig('', { image: 'b:1' }).image, 'b:1');
    assert.equal(parseInjectorConfig('image: a:1', { image: 'b:1', revision: 'canary' }).revision, 'canary');
  });

  it('names every problem at once, with its line and its field', () => {
    const text = `nativeSidecars: true
imagePullPolicy: always
drainSeconds: soon
resources:
  limits:
    cpu: 2
controlPlane:
  prot: 15012
ignoredNamespaces: kube-system
interception:
  dnsCapture: "yes"
`;
    assert.deepEqual(problemsOf(text), [
      'line 1: nativeSidecars: is not known: did you mean nativeSidecar?',
      'line 2: imagePullPolicy: "always" is not known: did you mean Always?',
      'line 3: drainSeconds: expected a whole number, found "soon"',
      'line 5: resources.limits: expected quantities in quotes, such as cpu: "2", found {"cpu":2}',
      'line 8: controlPlane.prot: is not known: did you mean port?',
      'line 9: ignoredNamespaces: expected a list of texts, found "kube-system"',
      'line 11: interception.dnsCapture: expected true or false, found "yes"',
      'image: is missing: which image holds heddle-proxy and heddle-iptables?',
    ]);
  });

  it('gives the line of a value that has the right shape and is wrong all the same', () => {
    const text = 'image: a:1\ncontrolPlane:\n  port: 99999\ninterception:\n  excludeInboundPorts: http\n';
    assert.deepEqual(problemsOf(text), [
      'line 3: controlPlane.port: 99999 is not a port',
      'line 5: interception.excludeInboundPorts: "http" is not a number from 1 to 65535, or a range such as 8000-8010',
    ]);
  });

  it('says where a text is no YAML', () => {
    assert.match(problemsOf('image: [').join(), /line 1/);
    assert.match(problemsOf('- a\n').join(), /expected fields: image/);
  });

  it('never throws anything but an InjectorConfigError, whatever the text is', () => {
    const names = fc.constantFrom('image', 'token', 'resources', 'interception', '__proto__', 'revision');
    const value = fc.dictionary(names, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 });
    const isRead = (text: string): void => {
      try {
        parseInjectorConfig(text);
      } catch (error) {
        assert.ok(error instanceof InjectorConfigError, String((error as Error).stack));
      }
    };
    fc.assert(fc.property(value, (object) => isRead(JSON.stringify(object))));
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'a: \n-{}[]&*!|>"\'%@,?<#') }), isRead));
  });
});

function problemsOf(text: string): readonly string[] {
  try {
    parseInjectorConfig(text);
  } catch (error) {
    if (error instanceof InjectorConfigError) return error.problems;
    throw error;
  }
  return [];
}
