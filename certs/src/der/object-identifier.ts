import { DerTag } from './der-tag.js';
import { encodeDer } from './der-writer.js';

/** The content octets of an OBJECT IDENTIFIER, from its dotted form. Source: X.690 section 8.19. */
export function objectIdentifierOctets(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const group = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      group.unshift((left % 128) | 0x80);
    }
    octets.push(...group);
  }
  return Buffer.from(octets);
}

/** An OBJECT IDENTIFIER whose octets are made once. */
export class ObjectIdentifier {
  readonly dotted: string;
  readonly octets: Buffer;
  /** The whole element. */
  readonly der: Buffer;

  constructor(dotted: string) {
    this.dotted = dotted;
    this.octets = objectIdentifierOctets(dotted);
    this.der = encodeDer(DerTag.objectIdentifier, this.octets);
  }

  is(octets: Uint8Array): boolean {
    return this.octets.equals(octets);
  }
}

/** The identifiers that certificates and requests of ours use. Source: RFC 5280, RFC 5480, RFC 5758, RFC 4055, RFC 2985. */
export const Oid = {
  commonName: new ObjectIdentifier('2.5.4.3'),
  organizationName: new ObjectIdentifier('2.5.4.10'),
  subjectKeyIdentifier: new ObjectIdentifier('2.5.29.14'),
  keyUsage: new ObjectIdentifier('2.5.29.15'),
  subjectAltName: new ObjectIdentifier('2.5.29.17'),
  basicConstraints: new ObjectIdentifier('2.5.29.19'),
  authorityKeyIdentifier: new ObjectIdentifier('2.5.29.35'),
  extendedKeyUsage: new ObjectIdentifier('2.5.29.37'),
  serverAuth: new ObjectIdentifier('1.3.6.1.5.5.7.3.1'),
  clientAuth: new ObjectIdentifier('1.3.6.1.5.5.7.3.2'),
  extensionRequest: new ObjectIdentifier('1.2.840.113549.1.9.14'),
  ecdsaWithSha256: new ObjectIdentifier('1.2.840.10045.4.3.2'),
  ecdsaWithSha384: new ObjectIdentifier('1.2.840.10045.4.3.3'),
  ecdsaWithSha512: new ObjectIdentifier('1.2.840.10045.4.3.4'),
  sha256WithRsa: new ObjectIdentifier('1.2.840.113549.1.1.11'),
  sha384WithRsa: new ObjectIdentifier('1.2.840.113549.1.1.12'),
  sha512WithRsa: new ObjectIdentifier('1.2.840.113549.1.1.13'),
} as const;
