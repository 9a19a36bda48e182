// A hostile client in its own process, which attacks until it is killed.
import { attacks } from './attacks.js';

const [, , name = '', port = '', localAddress = ''] = process.argv;
attacks[name]?.({ port: Number(port), localAddress });
