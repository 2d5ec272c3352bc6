package schedule_test

import (
	"fmt"
	"time"
	_ "time/tzdata"

	"gateway301/schedule"
)

func ExampleWindow() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := schedule.ParseWindow("mon-fri 22:00-05:00")
	if err != nil {
		fmt.Println(err)
		return
	}
	sunday := time.Date(2027, 3, 28, 12, 0, 0, 0, berlin) // the clock changed in the night
	next := w.NextOpen(sunday, berlin)
	fmt.Println(w, "opens", next.Format(time.RFC1123Z))
	fmt.Println("closes", w.Closes(next, berlin).Format(time.RFC1123Z))
	// Output:
	// mon-fri 22:00-05:00 opens Mon, 29 Mar 2027 22:00:00 +0200
	// closes Tue, 30 Mar 2027 05:00:00 +0200
}
