package ratelimit

import "time"

// span is the day and the month of a moment, in the zone of the calendar.
type span struct{ day, month Window }

// How long the store remembers a window after its end.
const (
	keepDay   = 3 * 24 * time.Hour
	keepMonth = 40 * 24 * time.Hour
)

func (s *Shared) span(now time.Time) span {
	now = now.In(s.o.Zone)
	y, m, d := now.Date()
	return span{
		Window{Name: "d:" + now.Format("20060102"), End: time.Date(y, m, d+1, 0, 0, 0, 0, s.o.Zone), Keep: keepDay},
		Window{Name: "m:" + now.Format("200601"), End: time.Date(y, m+1, 1, 0, 0, 0, 0, s.o.Zone), Keep: keepMonth},
	}
}
