import { extname } from 'node:path';

const typeByExtension: Readonly<Record<string, string>> = {
  '.bin': 'application/octet-stream',
  '.bz2': 'application/x-bzip2',
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.deb': 'application/vnd.debian.binary-package',
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.htm': 'text/html',
  '.html': 'text/html',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.log': 'text/plain',
  '.md': 'text/markdown',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.tar': 'application/x-tar',
  '.tgz': 'application/gzip',
  '.toml': 'application/toml',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.xz': 'application/x-xz',
  '.yaml': 'application/yaml',
  '.yml': 'application/yaml',
  '.zip': 'application/zip',
};

/** The media type that the extension of a file name stands for; undefined for one we do not know. */
export function mediaTypeOf(path: string): string | undefined {
  return typeByExtension[extname(path).toLowerCase()];
}
