export {
  Authority,
  createAuthority,
  type AuthorityOptions,
  type AuthorityStatus,
  type IssuedCertificate,
  type SignOptions,
} from './authority.js';
export type { RotationPhase } from './authority-state.js';
export {
  JoinTokens,
  createJoinTokens,
  type JoinToken,
  type JoinTokenVerdict,
  type JoinTokensOptions,
} from './join-tokens.js';
