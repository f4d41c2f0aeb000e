import { policyTargetRefs, workloadSelector } from './policy-target.js';
import {
  bool,
  filled,
  headerName,
  list,
  object,
  positiveDuration,
  resource,
  text,
  type Schema,
} from './schema-parts.js';

const url: Schema = {
  type: 'string',
  format: 'http-url',
  maxLength: 4096,
  expected: 'an absolute URL that begins with https:// or http://, without user and fragment',
};

const jwtRule = object({
  issuer: text,
  audiences: list(filled, { maxItems: 100 }),
  jwksUri: url,
  // The name of the field in Istio's protos, which its YAML takes, too.
  jwks_uri: url,
  jwks: { type: 'string', minLength: 1, maxLength: 262_144, expected: 'a JSON Web Key Set' },
  fromHeaders: list(object({ name: headerName, prefix: text }, ['name']), { maxItems: 100 }),
  fromParams: list(filled, { maxItems: 100 }),
  fromCookies: list(filled, { maxItems: 100 }),
  outputPayloadToHeader: headerName,
  outputClaimToHeaders: list(object({ header: headerName, claim: filled }, ['header', 'claim']), {
    maxItems: 100,
  }),
  forwardOriginalToken: bool,
  spaceDelimitedClaims: list(filled, { maxItems: 64 }),
  timeout: positiveDuration,
});

/** Istio's RequestAuthentication. */
export const requestAuthenticationSchema: Schema = resource(
  object(
    {
      selector: workloadSelector,
      targetRefs: policyTargetRefs,
      jwtRules: list(jwtRule, { maxItems: 4096 }),
    },
    [],
    { mostOneField: ['selector', 'targetRefs'] },
  ),
  false,
);
