export {
  SecretService,
  type AskingCall,
  type SecretServiceOptions,
  type SecretStream,
} from './secret-service.js';
export {
  CERTIFICATE_SECRET,
  ROOTS_SECRET,
  servedCertificate,
  servedRoots,
  type ServedSecret,
} from './served-secret.js';
