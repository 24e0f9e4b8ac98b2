/*
 * The tour: two processes with an Express app and two with a Koa app, behind one origin, over one Redis that you may kill
 * and freeze. This file is run once for the origin, and once for each of the processes.
 *
 *   PORT              where to listen (3000, or any free port when that one is taken)
 *   HOST              on which address (127.0.0.1)
 *   REDIS_SERVER_BIN  the redis-server to start
 *   DEMO_REDIS_URL    a Redis that runs already, instead of one of our own; '' (or SKIP_REDIS=1) for none at all
 *   DEMO_LOAD         'off': no requests but yours
 *   DEMO_TIMEOUT      how long a command of Redis may take, in milliseconds (200)
 *   DEMO_PLACES       how many places the database has: the fewer, the less work is a page
 */

if (process.argv[2] === 'app') await import('./app-process.js')
else await import('./tour.js')

export {}
