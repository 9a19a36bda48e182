/** The Redis keys of a store. All lie in one hash slot. */
export function redisNames(keyPrefix = 'sallyport') {
  const prefix = `{${keyPrefix}}:`;
  return {
    prefix,
    revision: `${prefix}revision`,
    index: `${prefix}index`,
    changes: `${prefix}changes`,
    dues: `${prefix}dues`,
    running: `${prefix}running-time`,
    /** Made by an older version, which used the time of day. */
    expiries: `${prefix}expiries`,
    entry: `${prefix}entry:`,
    series: `${prefix}series:`,
  };
}
