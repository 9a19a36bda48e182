import { readTextIfPresent } from '@sallyport/files';
import { type Check, error } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { pingRedis } from '../ping-redis.js';

/** The store in another process answers: `store.url`. */
export const store: Check = {
  id: 'store',
  title: 'store',
  run: async (checked) => {
    const { settings } = checked.site;
    const url = settings.get('store.url');
    if (url === undefined) return [];
    const passwordFile = settings.get('store.password_file');
    const password = passwordFile === undefined ? undefined : await passwordIn(passwordFile);
    const fault = await pingRedis(url, password, checked.context.signal);
    if (fault === undefined) return [];
    const { host, protocol, pathname } = new URL(url);
    const place = host === '' ? pathname : `${protocol}//${host}`;
    return [error(`The store at ${place} (store.url) ${fault}.`, fixFor(checked, url), { breaks: ['store', 'start'] })];
  },
};

async function passwordIn(path: string): Promise<string | undefined> {
  const text = await readTextIfPresent(path).catch(() => undefined);
  return text?.split('\n')[0];
}

function fixFor({ remedies }: CheckedSite, url: string): string {
  const { hostname } = new URL(url);
  const isHere = ['', 'localhost', '127.0.0.1', '[::1]'].includes(hostname);
  const start = isHere ? 'systemctl restart redis-server' : 'start Redis on its machine';
  return `${start}, or if it is elsewhere: ${remedies.set('store.url', 'URL')}`;
}
