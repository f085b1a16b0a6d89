-- Requests of one document each for wrk, from a file with a JSON body per line, and a count of the
-- answers by status. Arguments after `--`: the file, and how many requests a second a thread sends
-- in all, as far as its connections are free (0 or absent: each when the answer before has come).

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } instant; int clock_gettime(int clock, instant *at);")
local monotonic = 1
local instant = ffi.new("instant")

local function milliseconds()
  ffi.C.clock_gettime(monotonic, instant)
  return tonumber(instant.s) * 1000 + tonumber(instant.ns) / 1e6
end

local counter = 0
local threads = {}

function setup(thread)
  thread:set("offset", counter)
  counter = counter + 1
  table.insert(threads, thread)
end

function init(args)
  bodies = {}
  for line in io.lines(args[1]) do
    table.insert(bodies, line)
  end
  rate = tonumber(args[2] or "0")
  begun = milliseconds()
  turns = 0
  sent = offset
  statuses = ""
  counts = {}
end

function request()
  sent = sent + 1
  local body = bodies[sent % #bodies + 1]
  return wrk.format("POST", "/v1/classify", { ["content-type"] = "application/json" }, body)
end

-- Milliseconds to the next request's turn.
function delay()
  if rate == 0 then
    return 0
  end
  turns = turns + 1
  return math.max(0, begun + turns * 1000 / rate - milliseconds())
end

-- Statuses are handed to `done` as text: it sees only plain values of a thread.
function response(status)
  counts[status] = (counts[status] or 0) + 1
  local parts = {}
  for code, count in pairs(counts) do
    table.insert(parts, code .. "=" .. count)
  end
  table.sort(parts)
  statuses = table.concat(parts, " ")
end

function done(summary, latency)
  local totals = {}
  for _, thread in ipairs(threads) do
    for code, count in string.gmatch(thread:get("statuses") or "", "(%d+)=(%d+)") do
      totals[code] = (totals[code] or 0) + tonumber(count)
    end
  end
  local parts = {}
  for code, count in pairs(totals) do
    table.insert(parts, code .. "=" .. count)
  end
  table.sort(parts)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("RESULT %.3f %.1f %.1f %.1f %d %s", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, broken, table.concat(parts, ",")))
end
