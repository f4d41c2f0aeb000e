export {
  MAX_REVIEW_BYTES,
  answerReview,
  parseAdmissionReview,
  type AdmissionReviewResponse,
  type ReviewAnswer,
} from './admission-review.js';
export {
  AdmissionReviewError,
  InjectInputError,
  InjectorConfigError,
  InterceptionOptionsError,
  InterceptionRulesError,
  PodInjectionError,
} from './errors.js';
export {
  backendOf,
  chooseVariant,
  systemPrograms,
  whyNot,
  type RulesVariant,
  type RunProgram,
} from './heddle-iptables/rules-variant.js';
export { runPlan } from './heddle-iptables/run-plan.js';
export {
  injectResource,
  type InjectResourceOptions,
  type InjectedResource,
  type ResourceResult,
} from './inject-resource.js';
export { injectYaml, type InjectedYaml } from './inject-yaml.js';
export {
  STATUS_ANNOTATION,
  type InjectionContext,
  type SkipReason,
  type Skipped,
} from './injection-decision.js';
export {
  createInjectorConfig,
  type InjectorConfig,
  type InjectorOptions,
  type ProxyResources,
} from './injector-config.js';
export {
  formatInterceptionArguments,
  parseInterceptionArguments,
} from './interception-rules/interception-arguments.js';
export {
  HBONE_PORT,
  INBOUND_SOURCE,
  INTERCEPTION_MODES,
  PROXY_ID,
  PROXY_MARK,
  parseInterceptionOptions,
  type InterceptionConfig,
  type InterceptionMode,
  type InterceptionOptions,
} from './interception-rules/interception-config.js';
export {
  cleanupPlan,
  formatPlan,
  interceptionPlan,
  iptablesJumps,
  type PlanBackend,
  type PlanProgram,
  type PlanStep,
} from './interception-rules/interception-plan.js';
export { iptablesCleanup, iptablesRules } from './interception-rules/iptables-rules.js';
export { NFTABLES_TABLE, nftablesCleanup, nftablesRules } from './interception-rules/nftables-rules.js';
export { applyJsonPatch, diffJson, type JsonPatchOperation } from './json-patch.js';
export { type Pod } from './kubernetes-pod.js';
export { injectPod, type InjectPodOptions, type InjectedPod } from './pod-patch.js';
export { parseInjectorConfig } from './parse-injector-config.js';
export { type AppProbe } from './probe-rewrite.js';
export { type AppScrape } from './prometheus-merge.js';
export { HOLD_COMMAND } from './sidecar-containers.js';
export { type WorkloadOwner } from './workload-owner.js';
export { INJECT_PATH, webhookConfiguration, type WebhookOptions } from './webhook-configuration.js';
