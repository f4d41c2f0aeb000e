// For tests alone: left out of what is packed.
export {
  forgeCertificate,
  forgeRoot,
  issuerFromPem,
  type ForgeOptions,
  type ForgedCertificate,
} from './forge-certificate.js';
export { uriName, type AltName } from '../x509/certificate-builder.js';
export { GeneralNameTag, KeyUsageBit } from '../x509/certificate-fields.js';
export { DerReader } from '../der/der-reader.js';
export { parseCertificate } from '../x509/certificate-fields.js';
