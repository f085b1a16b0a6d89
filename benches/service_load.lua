-- Requests of one document each for wrk, from a file with a JSON body per line, and a count of the
-- answers by status. Arguments after `--`: the file, and a pause before each request in
-- milliseconds (0 when absent).

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
  pause = tonumber(args[2] or "0")
  sent = offset
  statuses = ""
  counts = {}
end

function request()
  sent = sent + 1
  local body = bodies[sent % #bodies + 1]
  return wrk.format("POST", "/v1/classify", { ["content-type"] = "application/json" }, body)
end

function delay()
  return pause
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
