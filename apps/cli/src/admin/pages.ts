import { Failure } from '../failure.js';

/**
 * Every item of a paged list, page after page.
 *
 * @throws Failure: a page leads to itself
 */
export async function* everyPage<Page extends { readonly cursor?: string | undefined }>(
  fetchPage: (cursor: string | undefined) => Promise<Page>,
): AsyncGenerator<Page> {
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    yield page;
    if (cursor !== undefined && page.cursor === cursor)
      throw new Failure('The list does not come to an end.', 'Look into the log of the service.');
    cursor = page.cursor;
  } while (cursor !== undefined);
}
