/* run - all tests of the viewer, in the order of what they rest on. node run.mjs [WORD...] */
import { main } from './kit.mjs';
import './logs.mjs';
import './list.mjs';
import './live.mjs';
import './boards.mjs';
import './states.mjs';
import './hostile.mjs';
import './access.mjs';

await main(process.argv.slice(2));
