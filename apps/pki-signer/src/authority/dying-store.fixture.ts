import type { Store } from '@sallyport/store';

/** A store whose process dies before, or just after, its nth transaction. */
export function dyingStore(store: Store, transactions: number, moment: 'before' | 'after'): Store {
  let left = transactions;
  return new Proxy(store, {
    get: (target, name) => {
      if (name !== 'transaction') return Reflect.get(target, name).bind(target);
      return async (...changes: Parameters<Store['transaction']>) => {
        left -= 1;
        if (left === 0 && moment === 'after') await target.transaction(...changes);
        if (left <= 0) throw new Error('killed');
        return target.transaction(...changes);
      };
    },
  });
}
