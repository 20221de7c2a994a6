package ratelimit

import "context"

// Round and AnswerAll do by hand what Run does in its time.
func (s *Shared) Round(all bool) { s.round(context.Background(), all) }

func (s *Shared) AnswerAll() {
	for {
		select {
		case a := <-s.asks:
			s.answer(context.Background(), a)
		default:
			return
		}
	}
}

const MinChunk = minChunk
