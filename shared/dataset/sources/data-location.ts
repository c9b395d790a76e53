/**
 * Where a data set is: a folder, a folder of a web server, or a name in the NATS object store. Credentials in a URL (user and password, or a signature in its
 * query) are taken out here; what is shown anywhere else has none.
 */

import { argumentError } from '../../errors.js';
import type { Parser } from '../../config.js';
import { DATA_SET_NAME_PATTERN } from '../manifest-validation.js';

export interface FolderLocation {
  readonly kind: 'folder';
  readonly dir: string;
}

export interface HttpLocation {
  readonly kind: 'http';
  /** ends in "/"; without user, password, query */
  readonly base: string;
  /** "?..." that every file's URL gets, or "" */
  readonly query: string;
  /** value of an Authorization header, where the URL names a user */
  readonly authorization: string | undefined;
}

export interface ObjectStoreLocation {
  readonly kind: 'object-store';
  /** as pushed */
  readonly name: string;
}

export type DataLocation = FolderLocation | HttpLocation | ObjectStoreLocation;

export const OBJECT_STORE_PREFIX = 'object-store:';
export const LOCATION_FORMS = 'a folder, http(s)://HOST/PATH/ or object-store:NAME';

/** Throws ARGUMENT_INVALID; the sentence has no credentials. */
export const dataLocation: Parser<DataLocation> = (value, name) => {
  const text = value.trim();
  if (text === '') throw argumentError(name, LOCATION_FORMS, text);
  if (text.startsWith(OBJECT_STORE_PREFIX)) {
    const objectName = text.slice(OBJECT_STORE_PREFIX.length);
    if (!DATA_SET_NAME_PATTERN.test(objectName)) throw argumentError(name, `${OBJECT_STORE_PREFIX}NAME with the name of a data set`, text);
    return { kind: 'object-store', name: objectName };
  }
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return { kind: 'folder', dir: text };
  if (!/^https?:/i.test(text)) throw argumentError(name, LOCATION_FORMS, withoutCredentials(text));
  let url: URL;
  let user: string;
  try {
    url = new URL(text);
    user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  } catch {
    throw argumentError(name, 'a URL such as https://HOST/PATH/', withoutCredentials(text));
  }
  return {
    kind: 'http',
    base: `${url.origin}${url.pathname.replace(/\/*$/, '/')}`,
    query: url.search,
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  };
};

/** For people: a location without credentials. */
export function shownLocation(location: DataLocation): string {
  if (location.kind === 'folder') return location.dir;
  return location.kind === 'http' ? location.base : `${OBJECT_STORE_PREFIX}${location.name}`;
}

/** Any text in which URLs may stand, with user, password and query of each taken out. */
export function withoutCredentials(text: string): string {
  return text.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\s/@]*@/g, '$1').replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s?,"]*)\?[^\s,"]*/g, '$1?...');
}
