import { dirname } from 'node:path';
import { makeFolder, readTextIfPresent, writeFileAtomic, writeFileOnce } from '@sallyport/files';
import { Problem, type SiteMarker, siteMarker, statePlaces } from '@sallyport/protocol';

/** Services that keep state of the site. Each has a marker of the site. */
type MarkedService = 'pki-signer' | 'device-registry';

/** The marker file of a service. Its folder holds nothing else. */
export function siteMarkerPath(stateDirectory: string, service: MarkedService): string {
  return statePlaces(stateDirectory).markerOf(service);
}

/**
 * The marker of a service; undefined when there is none.
 *
 * @throws Problem `site-incomplete`: the file holds something else
 */
export async function readSiteMarker(path: string): Promise<SiteMarker | undefined> {
  const text = await readTextIfPresent(path);
  if (text === undefined) return undefined;
  const marker = siteMarker.safeParse(jsonFrom(text)).data;
  if (marker !== undefined) return marker;
  throw new Problem(
    'site-incomplete',
    'The marker of this site, in the folder "site" of the state directory (state.path), is damaged. Restore it from the backup of that directory.',
  );
}

/** Writes or replaces the marker. It holds no secret, so other users may read it. */
export async function writeSiteMarker(path: string, marker: SiteMarker): Promise<void> {
  await makeFolder(dirname(path), 0o755);
  await writeFileAtomic(path, textOf(marker), markerMode);
}

/** Writes the marker if there is none. Of several writers at once exactly one succeeds. */
export async function writeSiteMarkerOnce(path: string, marker: SiteMarker): Promise<void> {
  await makeFolder(dirname(path), 0o755);
  await writeFileOnce(path, textOf(marker), markerMode);
}

const markerMode = 0o644;

function textOf(marker: SiteMarker): string {
  return `${JSON.stringify(marker, undefined, 2)}\n`;
}

function jsonFrom(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so no marker. The caller reports it.
    return undefined;
  }
}
