import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, createJoinTokens } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { requireSpiffeId } from '@heddle/certs';
import { certificateService } from '@heddle/xds-protos';
import type { MicroCase } from '../micro-case.js';

/** What one certificate costs the authority: the request checked, the identity put in, the leaf signed. */
export const certificateSigning: readonly MicroCase[] = [
  {
    name: 'certificate authority: one CSR signed',
    create() {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-ca-'));
      const authority = createAuthority({ folder, trustDomain: 'bench.local' });
      // Everything it needs is in memory by now.
      rmSync(folder, { recursive: true });
      const identity = requireSpiffeId('spiffe://bench.local/ns/default/sa/web');
      const csr = createCertificateRequest(generateWorkloadKeyPair(), identity);
      return (count) => {
        let length = 0;
        for (let i = 0; i < count; i++) length += authority.sign(csr, identity).chainPem.length;
        return length;
      };
    },
  },
  {
    name: 'certificate authority: one call (request read, join token checked, CSR signed, answer written)',
    create() {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-ca-'));
      const trustDomain = 'bench.local';
      const authority = createAuthority({ folder, trustDomain });
      const tokens = createJoinTokens({ folder, trustDomain });
      rmSync(folder, { recursive: true });
      const identity = requireSpiffeId('spiffe://bench.local/ns/default/sa/web');
      const { token } = tokens.issue(identity);
      const { requestSerialize, requestDeserialize, responseSerialize } =
        certificateService.CreateCertificate;
      const request = requestSerialize({
        csr: createCertificateRequest(generateWorkloadKeyPair(), identity),
      });
      return (count) => {
        let length = 0;
        for (let i = 0; i < count; i++) {
          const { csr } = requestDeserialize(request);
          const verdict = tokens.verify(token);
          if (!verdict.ok) throw new Error(verdict.reason);
          const { chainPem } = authority.sign(csr, verdict.spiffeId);
          length += responseSerialize({ certChain: [chainPem, authority.rootsPem] }).length;
        }
        return length;
      };
    },
  },
];
