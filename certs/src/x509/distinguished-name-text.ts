import { DerReader } from '../der/der-reader.js';
import { DerTag } from '../der/der-tag.js';
import { EncodingError } from '../errors.js';

/** More is no name that anybody would read. */
const MOST_ATTRIBUTES = 64;

/** OpenSSL's short names, by the hexadecimal octets of the identifier. Source: RFC 4519, RFC 2985, RFC 2247. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['550403', 'CN'],
  ['550404', 'SN'],
  ['550405', 'serialNumber'],
  ['550406', 'C'],
  ['550407', 'L'],
  ['550408', 'ST'],
  ['550409', 'street'],
  ['55040a', 'O'],
  ['55040b', 'OU'],
  ['55040c', 'title'],
  ['550429', 'name'],
  ['55042a', 'GN'],
  ['55042b', 'initials'],
  ['2a864886f70d010901', 'emailAddress'],
  ['0992268993f22c640101', 'UID'],
  ['0992268993f22c640119', 'DC'],
]);

/**
 * A Name as text, the last part first, as `openssl x509 -nameopt RFC2253` writes it.
 *
 * Shape: printable ASCII, whatever the name holds: everything else is written as `\XX` for each octet of its UTF-8. Empty for an
 * empty name. Source: RFC 2253 section 2. Errors: EncodingError.
 */
export function distinguishedNameText(name: Buffer): string {
  const outer = new DerReader(name, 'a distinguished name');
  const parts = outer.enter(DerTag.sequence);
  outer.end();
  const texts: string[] = [];
  let attributes = 0;
  while (!parts.atEnd) {
    const set = parts.enter(DerTag.set);
    const values: string[] = [];
    while (!set.atEnd) {
      if (++attributes > MOST_ATTRIBUTES) throw new EncodingError('a distinguished name has too many parts');
      const attribute = set.enter(DerTag.sequence);
      const type = attribute.readObjectIdentifier();
      const value = attribute.readElement();
      attribute.end();
      const short = SHORT_NAMES.get(type.toString('hex'));
      // What is of no known type may be of any form: its DER is written.
      values.push(
        short === undefined
          ? `${dotted(type)}=#${value.whole.toString('hex').toUpperCase()}`
          : `${short}=${escaped(utf8Of(value.tag, value.content))}`,
      );
    }
    texts.push(values.reverse().join('+'));
  }
  return texts.reverse().join(',');
}

const BMP_STRING = 0x1e;
const UNIVERSAL_STRING = 0x1c;

/** The octets of a string in UTF-8; those of types that are no text stay what they are. */
function utf8Of(tag: number, content: Buffer): Buffer {
  if (tag === DerTag.utf8String || tag === DerTag.printableString || tag === DerTag.ia5String) return content;
  if (tag === BMP_STRING && content.length % 2 === 0) {
    return Buffer.from(Buffer.from(content).swap16().toString('utf16le'), 'utf8');
  }
  if (tag === UNIVERSAL_STRING && content.length % 4 === 0) {
    let text = '';
    for (let at = 0; at < content.length; at += 4) {
      const point = content.readUInt32BE(at);
      text += point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point);
    }
    return Buffer.from(text, 'utf8');
  }
  return Buffer.from(content.toString('latin1'), 'utf8');
}

const ESCAPED = new Set([...',+"\\<>;'].map((character) => character.charCodeAt(0)));
const SPACE = 0x20;
const HASH = 0x23;

function escaped(octets: Buffer): string {
  let text = '';
  octets.forEach((octet, at) => {
    const isEdge =
      (octet === SPACE && (at === 0 || at === octets.length - 1)) || (octet === HASH && at === 0);
    if (octet < 0x20 || octet > 0x7e) text += `\\${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    else
      text += ESCAPED.has(octet) || isEdge ? `\\${String.fromCharCode(octet)}` : String.fromCharCode(octet);
  });
  return text;
}

/** The dotted form of an identifier. Arcs beyond 2^53 lose their last digits, which matters to nobody. */
function dotted(octets: Buffer): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of octets) {
    arc = arc * 128 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - first * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}
