'use strict';
// Node's http with the fixed points of plugin probe, to see that the suite is fair.
const http = require('http');

const allow = { '/probe/ok': 'GET, HEAD, OPTIONS', '/probe/token': 'GET, HEAD, OPTIONS',
    '/probe/reflect': 'GET, HEAD, OPTIONS', '/probe/stream': 'GET, HEAD, OPTIONS',
    '/probe/echo': 'POST, OPTIONS', '/probe/json': 'POST, OPTIONS' };

function reply(res, status, body, headers) {
    const data = Buffer.isBuffer(body) ? body : Buffer.from(body);
    res.writeHead(status, { 'Content-Length': data.length, 'Content-Type': 'text/plain', ...headers });
    res.end(data);
}

function stream(req, res, url) {
    let left = Number(url.searchParams.get('n') ?? 1);
    const ms = Number(url.searchParams.get('ms') ?? 1);
    if (Number.isNaN(left)) return reply(res, 400, 'n is no number');
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const tick = () => left-- > 0 ? (res.write('data: tick\n\n'), setTimeout(tick, ms)) : res.end();
    return tick();
}

function json(res, body) {
    try {
        return reply(res, 200, JSON.stringify(JSON.parse(body)), { 'Content-Type': 'application/json' });
    } catch (error) {
        return reply(res, 400, String(error));
    }
}

function answer(req, res, body) {
    if (req.url === '*') return reply(res, req.method === 'OPTIONS' ? 200 : 400, '');
    let url, path;
    try {
        url = new URL(req.url, 'http://localhost');
        path = decodeURIComponent(url.pathname);
    } catch (error) {
        return reply(res, 400, 'bad target');
    }
    const token = /^\/probe\/token\/(.+)$/.exec(path);
    const methods = allow[token ? '/probe/token' : path];
    if (!methods) return reply(res, 404, 'not found');
    if (req.method === 'OPTIONS') return reply(res, 200, '', { Allow: methods });
    if (!methods.includes(req.method)) return reply(res, 405, 'not allowed', { Allow: methods });
    if (token) return reply(res, 200, token[1]);
    if (path === '/probe/echo') return reply(res, 200, body, { 'Content-Type': req.headers['content-type'] ?? 'text/plain' });
    if (path === '/probe/json') return json(res, body);
    if (path === '/probe/stream') return stream(req, res, url);
    if (path !== '/probe/reflect') return reply(res, 200, 'ok');
    try {
        const value = Buffer.from(url.searchParams.get('v') ?? '').toString('latin1');
        return reply(res, 200, 'ok', { 'X-Reflect': value });
    } catch (error) {
        return reply(res, 400, String(error));
    }
}

function collect(req, res) {
    if (Number(req.headers['content-length'] ?? 0) > 8e6) {
        return reply(res, 413, 'too large', { Connection: 'close' });
    }
    const parts = [];
    let size = 0;
    req.on('data', (part) => {
        size += part.length;
        if (size <= 8e6) parts.push(part);
        else if (!res.headersSent) reply(res, 413, 'too large', { Connection: 'close' });
    });
    req.on('end', () => res.headersSent || answer(req, res, Buffer.concat(parts)));
}

const server = http.createServer({ requestTimeout: 3000, headersTimeout: 3000, connectionsCheckingInterval: 500 }, collect);
server.on('checkContinue', (req, res) => {
    if (Number(req.headers['content-length'] ?? 0) > 8e6) return reply(res, 413, 'too large', { Connection: 'close' });
    res.writeContinue();
    return collect(req, res);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
