/** Documents and names as NATS takes them. */

import { gunzipSync, gzipSync } from 'node:zlib';
import { NATS_PLAIN_BYTES_MAX } from '../../limits.js';

/** What gzip begins with; JSON begins with neither. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

/** JSON, which people can read with the nats tool; a large document is compressed, since a message has at most 1 MiB (placements: tenfold, held partitions: about half). */
export function encodeDocument(document: unknown): Uint8Array {
  const plain = Buffer.from(JSON.stringify(document));
  return plain.length <= NATS_PLAIN_BYTES_MAX ? plain : gzipSync(plain);
}

/** The caller knows the form: only this program writes these. Throws SyntaxError where the bytes are none of ours. */
export function decodeDocument<T>(bytes: Uint8Array): T {
  const packed = bytes[0] === GZIP_MAGIC[0] && bytes[1] === GZIP_MAGIC[1];
  const plain = packed ? gunzipSync(bytes) : Buffer.from(bytes);
  return JSON.parse(plain.toString()) as T;
}

/** Any text as one token of a key: letters, digits, - and _ as they are, every other byte as =hh. */
export function keyToken(text: string): string {
  const bytes = Buffer.from(text);
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return /[-\w]/.test(char) ? char : `=${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}
