-- Load for the door's bench: wrk sends one request again and again, each of a session of its own, and says what it saw.
-- usage: wrk … -s ingest_load.lua URL -- FILE PLACE OFFSET   FILE: a whole request; PLACE: what a session's number takes the place of in it

local count, before, after

function init(args)
  local whole = assert(io.open(args[1], "rb")):read("*a")
  local from, to = whole:find(args[2], 1, true)
  before, after, count = whole:sub(1, from - 1), whole:sub(to + 1), tonumber(args[3])
end

function request()
  count = count + 1
  return before .. string.format("%012d", count) .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failures": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
