export {
  AdmissionReviewError,
  InjectInputError,
  InjectorConfigError,
  InterceptionOptionsError,
  PodInjectionError,
} from './errors.js';
