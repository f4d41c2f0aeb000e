import { policyTargetRefs, workloadSelector } from './policy-target.js';
import { filled, list, object, oneOf, refused, resource, text, type Schema } from './schema-parts.js';

/** Some become regular expressions, which proxies take up to 1 KiB of. */
const value: Schema = { ...filled, maxLength: 480, expected: 'text of 1 to 480 characters' };

/** A list that is written must say something: one without entries reads like "none" and would mean "any". */
const values = (items: Schema = value): Schema =>
  list(items, { minItems: 1, maxItems: 1_000, expected: 'a list with at least one entry' });

const range: Schema = {
  type: 'string',
  format: 'cidr',
  expected: 'an IP address or a range such as 10.0.0.0/8',
};
const portText: Schema = {
  type: 'string',
  format: 'port-number',
  expected: 'the number of a port as text, "1" to "65535"',
};
const serviceAccount: Schema = {
  type: 'string',
  format: 'service-account',
  expected: 'the name of a service account, or NAMESPACE/NAME',
};
const trustDomains = refused(
  list(text),
  'it is not built yet; principals such as "example.org/*" say the same',
);

const source = object({
  principals: values(),
  notPrincipals: values(),
  requestPrincipals: values(),
  notRequestPrincipals: values(),
  namespaces: values(),
  notNamespaces: values(),
  serviceAccounts: values(serviceAccount),
  notServiceAccounts: values(serviceAccount),
  ipBlocks: values(range),
  notIpBlocks: values(range),
  remoteIpBlocks: values(range),
  notRemoteIpBlocks: values(range),
  trustDomains,
  notTrustDomains: trustDomains,
});

const operation = object({
  hosts: values(),
  notHosts: values(),
  ports: values(portText),
  notPorts: values(portText),
  methods: values(),
  notMethods: values(),
  paths: values(),
  notPaths: values(),
});

const rule = object({
  from: values(object({ source }, ['source'])),
  to: values(object({ operation }, ['operation'])),
  when: values(object({ key: filled, values: values(), notValues: values() }, ['key'])),
});

/** Istio's AuthorizationPolicy. */
export const authorizationPolicySchema: Schema = resource(
  object(
    {
      selector: workloadSelector,
      targetRefs: policyTargetRefs,
      action: oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
      rules: list(rule, { maxItems: 4_096 }),
      provider: object({ name: text }),
    },
    [],
    { mostOneField: ['selector', 'targetRefs'] },
  ),
  false,
);
